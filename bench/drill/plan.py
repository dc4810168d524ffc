"""What a drill is to do; the same plan makes the same choices, though not at the same moments."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """``pause`` is the mean time between two kills, ``settling`` how long everything may take to
    come to rest after the last one; seconds both."""

    seed: int
    minutes: float = 10
    people: int = 10
    launches: int = 100
    pause: float = 8
    settling: float = 200

    def chance(self, whose: str) -> random.Random:
        """Choices of one actor's own, so that one who is held up changes nobody else's."""
        return random.Random(f"{self.seed}:{whose}")  # noqa: S311 -- it shall be repeatable

    def pace(self) -> float:
        """Seconds between two launches of one person."""
        return self.minutes * 60 * self.people / self.launches
