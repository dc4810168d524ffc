"""Launch a built environment repeatedly, and measure what the portal itself adds, by phase.

The server's own start, from its first instruction until it listens, is subtracted.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from websockets.sync.client import ClientConnection, connect

from bench.drill import inside
from bench.harness.crowd import Ask, at_once
from bench.harness.figures import Figure, Target
from bench.harness.ground import Ground
from bench.portals.whole import Portal

PERSON = "warm"
WITHIN = 60
PHASES = (
    ("accepted: parsed, admitted, stored", "asked", "answered"),
    ("in the queue", "inserted", "prepare began"),
    ("prepared: ref, .resources, limits, build found", "prepare began", "prepare ended"),
    ("in the queue again", "wanted", "spawn began"),
    ("handed to the back end", "spawn began", "spawn ended"),
    ("keeper and sandbox", "spawn began", "server began"),
    ("the server's own start", "server began", "server listened"),
    ("noticed by the keeper", "server listened", "keeper knew"),
    ("observed and stored", "keeper knew", "ready"),
    ("told to the page", "ready", "told"),
)
"""Their names, and the events between which they are. Some overlap."""


@dataclass(frozen=True)
class Launch:
    """The times of one launch, in seconds since 1970."""

    name: str
    asked: float
    answered: float
    told: float


def measure(ground: Ground) -> Iterator[Figure]:
    """Yield the portal's share of a warm launch, and each phase."""
    portal = ground.portal
    portal.people([PERSON])
    launches = [_launch(portal) for _each in range(ground.plan.warm_launches)]
    found: Mapping[str, dict[str, float]] = inside.run(
        portal.stack, "bench.portals.phases", *(each.name for each in launches)
    )
    asks = [_ask(portal, "DELETE", f"{each.name}/") for each in launches]
    at_once(asks)
    yield from figures([_moments(each, found[each.name]) for each in launches])


def figures(launches: Sequence[Mapping[str, float]]) -> Iterator[Figure]:
    """Yield the figures from the times of each launch, in seconds since any moment."""
    overhead = [
        each["told"] - each["asked"] - (each["server listened"] - each["server began"])
        for each in launches
    ]
    yield Figure("warm launch, our part of it", "s", overhead, target=Target("p95", 0.5))
    for name, begin, end in PHASES:
        yield Figure(f"warm launch: {name}", "s", [each[end] - each[begin] for each in launches])


def _moments(launch: Launch, found: Mapping[str, float]) -> dict[str, float]:
    own = {"asked": launch.asked, "answered": launch.answered, "told": launch.told}
    return {**found, **own}


def _launch(portal: Portal) -> Launch:
    """Launch, and wait for the message that the notebook is ready, as its page gets it."""
    asked = time.time()
    (answer,) = at_once([_ask(portal, "POST", "", {"repository": portal.trivial})])
    answered, name = time.time(), answer.body["name"]
    with _timeline(portal, name) as timeline:
        while json.loads(timeline.recv(WITHIN))["phase"] != "ready":
            pass
    return Launch(name, asked, answered, time.time())


def _ask(portal: Portal, method: str, path: str, body: Mapping[str, str] | None = None) -> Ask:
    return Ask(method, f"{portal.api}/projects/{path}", portal.headers(PERSON), body)


def _timeline(portal: Portal, name: str) -> ClientConnection:
    address = urlsplit(portal.stack.url)
    return connect(
        f"ws://{address.netloc}/ws/projects/{name}/",
        sock=socket.create_connection(("127.0.0.1", address.port or 80)),
        additional_headers=portal.headers(PERSON),
        open_timeout=WITHIN,
        max_size=None,
    )
