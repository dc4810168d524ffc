"""Authenticated API requests: who am I, on both sides, by a person's token.

Ours also returns the person's limits and usage, which the peer's does not.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from bench.harness import load
from bench.harness.figures import Figure, Target
from bench.harness.ground import Ground
from bench.harness.turns import in_turn
from bench.peers import hub

CONNECTIONS = (1, 10, 50)
PERSON = "ada"


def measure(ground: Ground) -> Iterator[Figure]:
    """Yield answers a second for each number of connections."""
    portal, peer, plan = ground.portal, ground.hub, ground.plan
    portal.people([PERSON])
    peer.people([PERSON])
    token = {"Authorization": f"token {peer.token_of(PERSON)}"}
    for number in CONNECTIONS:
        ask = partial(load.ask, connections=number, seconds=plan.seconds)
        sides = {
            "ours": partial(ask, f"{portal.api}/me/", headers=portal.headers(PERSON)),
            "theirs": partial(ask, f"{peer.api}/user", headers=token),
        }
        given = in_turn(sides, plan.rounds, plan.chance(f"api {number}"))
        yield Figure(
            f"API, {number} at once",
            "answers/s",
            [each.rate for each in given["ours"]],
            hub.NAME,
            [each.rate for each in given["theirs"]],
            more_is_better=True,
            target=Target("ratio", 5) if number == max(CONNECTIONS) else None,
        )
