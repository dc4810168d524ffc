"""Read from /proc what processes use of the machine."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
MEGABYTE = 1e6


def memory(pids: Iterable[int]) -> float:
    """Return the MB (10⁶ bytes) of all together; shared memory counts once (PSS)."""
    return sum(_of(pid, "smaps_rollup", "Pss:") for pid in pids) * 1024 / MEGABYTE


def resident(pid: int) -> float:
    """Return the MB (10⁶ bytes) of one process, shared or not; fast."""
    return _of(pid, "status", "VmRSS:") * 1024 / MEGABYTE


def seconds(pids: Iterable[int]) -> float:
    """Return the CPU seconds that these have used so far."""
    return sum(_seconds(pid, 11, 13) for pid in pids)


def seconds_with_ended(pids: Iterable[int]) -> float:
    """Return the CPU seconds of these and of all their children that have ended."""
    return sum(_seconds(pid, 11, 15) for pid in pids)


@contextmanager
def highest(ask: Callable[[], float], pause: float = 0.05) -> Iterator[list[float]]:
    """Poll during the block; the list's one value is the highest that was seen."""
    most, over = [ask()], threading.Event()

    def look() -> None:
        while not over.wait(pause):
            most[0] = max(most[0], ask())

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield most
    finally:
        over.set()
        thread.join()


def _of(pid: int, file: str, name: str) -> float:
    """Return the number in a line; 0 for a process that is gone."""
    try:
        text = Path(f"/proc/{pid}/{file}").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    return sum(float(line.split()[1]) for line in text.splitlines() if line.startswith(name))


def _seconds(pid: int, first: int, end: int) -> float:
    """Return the sum of these fields of ``stat``: user, system, and both of ended children."""
    try:
        words = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0
    return sum(map(int, words[first:end])) / _TICKS
