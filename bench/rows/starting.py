"""How long an existing portal takes to start, and what its processes use of the machine.

Memory and processor are measured while nobody does anything, memory after launches and logs, too.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from bench.drill.stage import SMALL
from bench.harness import use
from bench.harness.figures import Figure, Target
from bench.harness.ground import Ground
from bench.harness.turns import in_turn
from bench.harness.waiting import answers
from bench.peers import hub
from bench.portals.whole import EMBEDDED, parts
from tests.stack import Stack

SETTLED = 5.0
"""Seconds after which all processes have finished starting."""


IDLE_SECONDS = 10.0


@dataclass(frozen=True)
class Start:
    """Seconds until it answers; a little later, MB of each part, and % of a processor of all."""

    seconds: float
    memory: Mapping[str, float]
    idle: float


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
    yield Figure(
        "processor without anybody there",
        "% of a processor",
        [start.idle for start in given["ours"]],
        f"{hub.NAME} and its proxy",
        [start.idle for start in given["theirs"]],
        target=Target("median", 1),
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
    idle = _idle([pid for pids in parts(stack).values() for pid in pids])
    stack.stop()
    return Start(seconds, memory, idle)


def _idle(pids: Sequence[int]) -> float:
    """Return what these use of a processor, in %, while nobody does anything."""
    before = use.seconds(pids)
    time.sleep(IDLE_SECONDS)
    return (use.seconds(pids) - before) / IDLE_SECONDS * 100


def _theirs() -> Start:
    began = time.monotonic()
    with hub.running() as peer:
        seconds = time.monotonic() - began
        time.sleep(SETTLED)
        return Start(seconds, {"all": use.memory(peer.pids())}, _idle(peer.pids()))
