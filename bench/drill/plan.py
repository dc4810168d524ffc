"""The parameters of a drill; the same plan makes the same choices, though not at the same times."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """The parameters of a drill.

    ``pause`` is the mean time between two kills, ``settling`` how long everything may take to come
    to rest after the last one; both in seconds.
    """

    seed: int
    minutes: float = 10
    people: int = 10
    launches: int = 100
    pause: float = 8
    settling: float = 200

    def chance(self, whose: str) -> random.Random:
        """Return one actor's own random choices, so that a delayed one changes nobody else's."""
        return random.Random(f"{self.seed}:{whose}")  # noqa: S311 -- it shall be repeatable

    def pace(self) -> float:
        """Return the seconds between two launches of one person."""
        return self.minutes * 60 * self.people / self.launches
