"""How often and for how long things are measured: all parameters of a run, in one place."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """The parameters of a run.

    ``rounds`` is how often each side has its turn, ``seconds`` how long it is asked without a
    pause; ``launches`` are made at once; lines of a log come for ``log_seconds`` for each number of
    ``viewers``. ``scale`` is the part of the large institute that lists show, ``growth`` how many
    steps of ten times the work there are; with 0, nothing is started, built or grown. It ends after
    ``minutes``, whatever is still to do.
    """

    seed: int
    minutes: float
    rounds: int
    seconds: float
    launches: int
    launch_rounds: int
    warm_launches: int
    viewers: tuple[int, ...]
    log_seconds: float
    notebooks: int
    scale: float
    list_rounds: int
    upload_bytes: int
    starts: int
    builds: int
    later_builds: int
    growth: int

    def chance(self, purpose: str) -> random.Random:
        """Return random choices for one purpose, the same for each run with this seed."""
        return random.Random(f"{self.seed} {purpose}")  # noqa: S311 -- which turn comes first


def full(seed: int) -> Plan:
    """Return the plan for a full run: under 15 minutes on two cores."""
    return Plan(
        seed=seed, minutes=15, rounds=4, seconds=2.0, launches=60, launch_rounds=3,
        warm_launches=20, viewers=(1, 50, 200), log_seconds=8.0, notebooks=1000, scale=1.0,
        list_rounds=10, upload_bytes=5 * 10**8, starts=2, builds=1, later_builds=3, growth=3,
    )  # fmt: skip


def quick(seed: int) -> Plan:
    """Return the plan for under 2 minutes: shows that everything runs, and roughly how fast."""
    return Plan(
        seed=seed, minutes=2, rounds=1, seconds=0.5, launches=10, launch_rounds=1,
        warm_launches=3, viewers=(20,), log_seconds=2.0, notebooks=100, scale=0.01,
        list_rounds=3, upload_bytes=10**8, starts=0, builds=0, later_builds=0,
        growth=0,
    )  # fmt: skip
