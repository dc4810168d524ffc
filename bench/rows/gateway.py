"""The gateway beside configurable-http-proxy, both in front of the same servers.

The gateway checks for each request who it is and whether they may; its peer checks nothing, since
there each notebook's server has to do that itself. nginx in front reaches each server by a socket,
as on one machine, which its peer cannot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from bench.harness import load
from bench.harness.figures import Figure, Target
from bench.harness.ground import Ground
from bench.harness.sockets import round_trips
from bench.harness.turns import in_turn
from bench.peers import proxy

SMALL, LARGE = 50, 4
"""Connections for small and for large answers."""
OPEN = 100
MESSAGES = 500
"""Round trips of a turn."""


def answers(ground: Ground) -> Iterator[Figure]:
    """Yield answers a second."""
    plan, ours, theirs = ground.plan, ground.gateway, ground.proxies["plain"]
    for size, path, number in (("1 kB", "/static/small", SMALL), ("1 MB", "/static/large", LARGE)):
        ask = partial(load.ask, connections=number, seconds=plan.seconds)
        sides = {
            "ours": partial(ask, ours.url(path), headers=ours.headers("plain")),
            "theirs": partial(ask, f"{theirs.url}{path}", headers={}),
            "nginx": partial(ask, f"{ground.nginx}{path}", headers=ours.headers("local")),
        }
        given = in_turn(sides, plan.rounds, plan.chance(f"gateway {path}"))
        for name, side, least in (("gateway", "ours", 0.5), ("gateway with nginx", "nginx", 3)):
            yield Figure(
                f"{name}, answers of {size}, {number} at once",
                "answers/s",
                [each.rate for each in given[side]],
                proxy.NAME,
                [each.rate for each in given["theirs"]],
                more_is_better=True,
                target=Target("ratio", least) if number == SMALL else None,
            )


def sockets(ground: Ground) -> Iterator[Figure]:
    """Yield the round trip of a message, with one socket open and with many."""
    plan, ours, theirs = ground.plan, ground.gateway, ground.proxies["live"]
    port = int(theirs.url.rpartition(":")[2])
    for number in (1, OPEN):
        ask: Callable[..., Sequence[float]] = partial(round_trips, sockets=number, number=MESSAGES)
        sides = {
            "ours": partial(ask, ours.port, "/echo", ours.headers("live")),
            "theirs": partial(ask, port, "/echo", {"Host": f"localhost:{port}"}),
        }
        given = in_turn(sides, plan.rounds, plan.chance(f"sockets {number}"))
        yield Figure(
            f"gateway, a message there and back, {number} sockets open",
            "ms",
            [each for turn in given["ours"] for each in turn],
            proxy.NAME,
            [each for turn in given["theirs"] for each in turn],
        )
