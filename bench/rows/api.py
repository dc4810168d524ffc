"""Authenticated API requests by a person's token: who am I, on both sides.

Also the whole of ``me/``, with the person's limits and usage, which the peer does not return.
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
QUESTIONS = {
    "me/?fields=identity": ("who am I", Target("ratio", 1.5)),
    "me/": ("all about me", None),
}


def measure(ground: Ground) -> Iterator[Figure]:
    """Yield answers a second for each number of connections."""
    portal, peer, plan = ground.portal, ground.hub, ground.plan
    portal.people([PERSON])
    peer.people([PERSON])
    token = {"Authorization": f"token {peer.token_of(PERSON)}"}
    for number in CONNECTIONS:
        ask = partial(load.ask, connections=number, seconds=plan.seconds)
        sides = {
            path: partial(ask, f"{portal.api}/{path}", headers=portal.headers(PERSON))
            for path in QUESTIONS
        }
        sides["theirs"] = partial(ask, f"{peer.api}/user", headers=token)
        given = in_turn(sides, plan.rounds, plan.chance(f"api {number}"))
        for path, (what, target) in QUESTIONS.items():
            yield Figure(
                f"API, {what}, {number} at once",
                "answers/s",
                [each.rate for each in given[path]],
                hub.NAME,
                [each.rate for each in given["theirs"]],
                more_is_better=True,
                target=target,
            )
