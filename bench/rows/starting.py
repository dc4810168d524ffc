"""How long an existing portal takes to start, and the memory of its processes.

The memory is measured while nobody does anything, and after launches and logs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass

from bench.drill.stage import SMALL
from bench.harness import use
from bench.harness.figures import Figure
from bench.harness.ground import Ground
from bench.harness.turns import in_turn
from bench.harness.waiting import answers
from bench.peers import hub
from bench.portals.whole import EMBEDDED, parts
from tests.stack import Stack

SETTLED = 5.0
"""Seconds after which all processes have finished starting."""


@dataclass(frozen=True)
class Start:
    """Seconds until it answers, and MB of each part some seconds later."""

    seconds: float
    memory: Mapping[str, float]


class Light(Stack):
    """A stack whose health check uses less CPU."""

    def is_healthy(self) -> bool:
        """Return whether the portal is healthy."""
        return answers(f"{self.url}/health")


def measure(ground: Ground) -> Iterator[Figure]:
    """Yield the time of a start, and the memory."""
    if not ground.plan.starts:
        return
    stack = Light(1, data=None, inside=(), **EMBEDDED, **SMALL)
    stack.warm_up(ground.portal.stack.data)
    stack.start()  # makes the database, which is no part of what is measured
    with closing(stack):
        stack.stop()
        sides = {"ours": lambda: _ours(stack), "theirs": _theirs}
        given = in_turn(sides, ground.plan.starts, ground.plan.chance("starts"))
    yield Figure(
        "start until it takes launches",
        "s",
        [start.seconds for start in given["ours"]],
        hub.NAME,
        [start.seconds for start in given["theirs"]],
    )
    yield Figure(
        "memory without anybody there",
        "MB",
        [sum(start.memory.values()) for start in given["ours"]],
        f"{hub.NAME} and its proxy",
        [sum(start.memory.values()) for start in given["theirs"]],
    )
    for part in given["ours"][0].memory:
        yield Figure(f"of that: {part}", "MB", [start.memory[part] for start in given["ours"]])


def after(ground: Ground) -> Iterator[Figure]:
    """Yield the memory of each part; run it after launches and logs were measured."""
    for part, pids in ground.portal.pids().items():
        yield Figure(f"memory after all that is above: {part}", "MB", [use.memory(pids)])


def _ours(stack: Stack) -> Start:
    began = time.monotonic()
    stack.start()
    seconds = time.monotonic() - began
    time.sleep(SETTLED)
    memory = {part: use.memory(pids) for part, pids in parts(stack).items()}
    stack.stop()
    return Start(seconds, memory)


def _theirs() -> Start:
    began = time.monotonic()
    with hub.running() as peer:
        seconds = time.monotonic() - began
        time.sleep(SETTLED)
        return Start(seconds, {"all": use.memory(peer.pids())})
