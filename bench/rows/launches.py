"""Many launches at the same moment, until the last notebook is ready; then as many stops.

Behind both sides is the same trivial server. Ours starts it as it does any notebook, in a sandbox
with limits; its peer as a plain process.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from urllib.request import Request, urlopen

from bench.harness.crowd import Answer, Ask, at_once
from bench.harness.figures import Figure, Target
from bench.harness.ground import Ground
from bench.harness.turns import in_turn
from bench.harness.waiting import until
from bench.peers import hub
from bench.peers.hub import Hub
from bench.portals.whole import Portal

WITHIN = 180
ON_THE_WAY = ("waiting", "building", "spawning")
PAGINATED = {"Accept": "application/jupyterhub-pagination+json"}


@dataclass(frozen=True)
class Rush:
    """Seconds of each launch's answer, until all were ready, and until all were gone."""

    accepted: Sequence[float] = field(repr=False)
    ready: float
    stopped: float


def measure(ground: Ground) -> Iterator[Figure]:
    """Yield the times of launches and stops."""
    plan = ground.plan
    names = [f"person{number}" for number in range(plan.launches)]
    ground.portal.people(names)
    ground.hub.people(names)
    sides = {
        "ours": partial(ours, ground.portal, names),
        "theirs": partial(theirs, ground.hub, names),
    }
    given = in_turn(sides, plan.launch_rounds, plan.chance("launches"))
    yield from figures(plan.launches, given["ours"], given["theirs"])


def figures(number: int, mine: Sequence[Rush], peer: Sequence[Rush]) -> Iterator[Figure]:
    """Yield the figures of ``number`` launches from the results of both sides."""
    what = f"{number} launches at once"
    answers = ([each for rush in side for each in rush.accepted] for side in (mine, peer))
    accepted = ([max(rush.accepted) for rush in side] for side in (mine, peer))
    ready = ([rush.ready for rush in side] for side in (mine, peer))
    stopped = ([rush.stopped for rush in side] for side in (mine, peer))
    for words, (our, their), target in (
        (f"{what}, all accepted", accepted, Target("median", 1.5)),
        (f"{what}, one accepted", answers, Target("p95", 0.3)),
        (f"{what}, all ready", ready, None),
        (f"{number} stopped at once, all gone", stopped, None),
    ):
        yield Figure(words, "s", our, hub.NAME, their, target=target)


def ours(portal: Portal, names: Sequence[str]) -> Rush:
    """Launch and stop one project per person in the portal."""
    url, wish = f"{portal.api}/projects/", {"repository": portal.trivial}
    launched = at_once([Ask("POST", url, portal.headers(name), wish) for name in names])
    seconds = [answer.seconds for answer in launched]
    ready = max(seconds) + until(lambda: not _there(portal, *ON_THE_WAY), WITHIN, "all ready")
    if len(_there(portal, "ready")) != len(names):
        raise RuntimeError("a launch has failed")
    projects = [answer.body["name"] for answer in launched]
    stops = [
        Ask("POST", f"{url}{project}/stop/", portal.headers(name))
        for name, project in zip(names, projects, strict=True)
    ]
    told = _last(at_once(stops))
    gone = told + until(lambda: not _there(portal, "ready", "stopping"), WITHIN, "all gone")
    _forget(portal, names, projects)
    return Rush(seconds, ready, gone)


def _forget(portal: Portal, names: Sequence[str], projects: Sequence[str]) -> None:
    """Delete the projects, so that nothing of one turn is left for the next."""
    pairs = zip(names, projects, strict=True)
    url = f"{portal.api}/projects"
    at_once([Ask("DELETE", f"{url}/{each}/", portal.headers(name)) for name, each in pairs])


def _there(portal: Portal, *states: str) -> list[object]:
    query = "&".join(f"state={state}" for state in states)
    request = Request(f"{portal.api}/projects/?owner=all&limit=500&{query}")  # noqa: S310 -- ours
    for name, value in portal.headers("root").items():
        request.add_header(name, value)
    with urlopen(request, timeout=60) as answer:  # noqa: S310
        found: list[object] = json.load(answer)
    return found


def theirs(peer: Hub, names: Sequence[str]) -> Rush:
    """Start and stop one server per person in JupyterHub."""
    urls = [f"{peer.api}/users/{name}/server" for name in names]
    seconds = [
        answer.seconds for answer in at_once([Ask("POST", url, peer.headers) for url in urls])
    ]
    count = len(names)
    ready = max(seconds) + until(lambda: _running(peer, "ready") == count, WITHIN, "all ready")
    told = _last(at_once([Ask("DELETE", url, peer.headers) for url in urls]))
    return Rush(seconds, ready, told + until(lambda: not _running(peer, "active"), WITHIN, "gone"))


def _running(peer: Hub, state: str) -> int:
    request = Request(  # noqa: S310 -- the peer's own address
        f"{peer.api}/users?limit=1&state={state}", headers=peer.headers | PAGINATED
    )
    with urlopen(request, timeout=60) as answer:  # noqa: S310
        total: int = json.load(answer)["_pagination"]["total"]
    return total


def _last(answers: Sequence[Answer]) -> float:
    return max(answer.seconds for answer in answers)
