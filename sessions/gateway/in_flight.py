"""How much may wait in this process for readers who are slow: a bound on its memory.

What passes through a socket is in memory only while its reader does not take it. Each direction
that waits holds at most `HELD` bytes, and at most `MOST` of them wait at once. When there are
more, the notebook with the most of them loses the one that has waited longest: one who makes many
slows nobody else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

MOST = 200
HELD = 640 * 1024
"""A piece that was read, what is written but not sent, and what the reading side read ahead."""

GiveUp = Callable[[], None]


class InFlight:
    """One for each process. Keeps, for each project, who waits, the longest first."""

    def __init__(self) -> None:
        self._count = 0
        self._waiting: dict[int, dict[GiveUp, int]] = {}

    @contextmanager
    def waiting(self, project_id: int, give_up: GiveUp) -> Iterator[None]:
        """Count one direction for as long as it waits; ``give_up`` breaks off its socket."""
        those = self._waiting.setdefault(project_id, {})
        those[give_up] = those.get(give_up, 0) + 1
        self._count += 1
        if self._count > MOST:
            most = max(self._waiting.values(), key=len)
            next(iter(most))()
        try:
            yield
        finally:
            self._count -= 1
            those[give_up] -= 1
            if not those[give_up]:
                del those[give_up]
            if not those and self._waiting.get(project_id) is those:
                del self._waiting[project_id]
