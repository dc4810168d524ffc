"""Kill one thing after another, sometimes two at once, and note how long recovery takes."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping

from bench.drill.ledger import Ledger
from bench.drill.plan import Plan
from bench.drill.targets import Target

WITHIN = 120.0
"""Seconds in which the portal has to be well again after each kill."""
TWO_AT_ONCE = 0.2
MAX_PAUSE = 30.0


class Killer:
    """The killer of a drill.

    It is not a thread: servers that it starts again would end with that (see `servers`).
    """

    def __init__(self, targets: Mapping[str, Target], ledger: Ledger, plan: Plan) -> None:
        self._targets = targets
        self._ledger = ledger
        self._chance: random.Random = plan.chance("killer")
        self._pause = plan.pause

    def work(self, until: float) -> None:
        """Kill until that time (of the monotonic clock); return with everything started again."""
        while time.monotonic() < until:
            time.sleep(min(self._chance.expovariate(1 / self._pause), MAX_PAUSE))
            how_many = 2 if self._chance.random() < TWO_AT_ONCE else 1
            names = self._chance.sample(sorted(self._targets), how_many)
            deeds = [self._harm(name) for name in names]
            self._wait_for(names, deeds[0] if len(deeds) == 1 else "two at once")

    def _harm(self, name: str) -> str:
        """Harm a target; return a description."""
        ways = self._targets[name].ways
        way = self._chance.choice(sorted(ways))
        self._ledger.count(self._ledger.killed, f"{name} {way}")
        ways[way](self._chance)
        return f"{name} {way}"

    def _wait_for(self, names: list[str], deed: str) -> None:
        since = time.monotonic()
        while not all(self._targets[name].is_back() for name in names):
            if time.monotonic() - since > WITHIN:
                self._ledger.accuse(f"{WITHIN:g} s after {deed} ({names}): not well")
                return
            time.sleep(0.1)
        self._ledger.recovery[deed].append(time.monotonic() - since)
