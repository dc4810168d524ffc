"""Ask all running notebooks for their activity, as `bench.activity` does."""

from __future__ import annotations

from collections.abc import Iterator

from bench.harness.figures import Figure, Target
from bench.harness.ground import Ground
from bench.harness.programs import said


def measure(ground: Ground) -> Iterator[Figure]:
    """Yield wall time and CPU time of a round."""
    number, rounds = ground.plan.notebooks, ground.plan.rounds
    words = ("--json", "--servers", str(number), "--rounds", str(rounds))
    found = said("bench.activity", *words)
    what = f"asking {number:,} notebooks for their activity"
    seconds = [each["seconds"] for each in found]
    yield Figure(what, "s", seconds, target=Target("p95", 10))
    yield Figure(f"{what}, of a processor", "s", [each["cpu"] for each in found])
