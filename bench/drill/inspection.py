"""Check everything once nothing is killed any more, again and again until all is well.

Anything still wrong when the time is over is a violation.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.drill import inside, promises
from bench.drill.people import Person
from bench.drill.requests import Mute
from bench.drill.stage import Stage

PAUSE = 5.0


@dataclass
class Findings:
    """The result of the check.

    ``seconds`` is how long it took to come to rest, ``launches`` the seconds of each launch until
    it was ready.
    """

    wrong: list[str] = field(default_factory=list)
    seconds: float = 0
    launches: list[float] = field(default_factory=list)


def inspect(stage: Stage, people: Sequence[Person], patience: float) -> Findings:
    """Return the findings once everything is at rest, or after ``patience`` seconds."""
    began, told = time.monotonic(), ""
    while True:
        found = _look(stage, people)
        found.seconds = time.monotonic() - began
        if not found.wrong or found.seconds > patience:
            break
        if told != (told := f"{len(found.wrong)}, such as {found.wrong[0]}"):
            print(f"not at rest yet: {told}", flush=True)
        time.sleep(PAUSE)
    found.wrong += promises.lost(people)
    return found


def _look(stage: Stage, people: Sequence[Person]) -> Findings:
    try:
        broken = list(promises.broken(people))
        if broken:  # not at rest: the costly part can wait
            return Findings(broken)
        rows = inside.run(stage.stack, "bench.drill.rows")
        left = stage.leftovers(rows["live"])
        return Findings([*rows["wrong"], *left], launches=rows["seconds"])
    except (Mute, inside.NoAnswer) as error:
        return Findings([f"it cannot be looked at: {error}"])
