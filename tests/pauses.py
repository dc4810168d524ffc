"""How long to wait between two looks at something that takes its time."""

from __future__ import annotations

from collections.abc import Iterator

FIRST, LONGEST, GROWTH = 0.02, 0.5, 1.3


def pauses() -> Iterator[float]:
    """Seconds, ever more of them: a look costs time that what is waited for could have."""
    pause = FIRST
    while True:
        yield pause
        pause = min(pause * GROWTH, LONGEST)
