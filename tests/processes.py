"""Processes of this machine, from /proc: whose they are, what they see, and their end."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

PROC = Path("/proc")
SLEEP = 1_000_000_000 + os.getpid()
"""Seconds that nobody else on this machine sleeps for, not even another run of these tests; they
identify the processes that a test has started."""


def command(pid: int) -> str:
    """Return the command line, "" for a process that is gone."""
    try:
        return (
            (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        )
    except OSError:
        return ""


def parent(pid: int) -> int:
    """Return the parent's pid, 0 for a process that is gone or for the first one."""
    return _number(pid, 1)


def children(pid: int) -> list[int]:
    """Return the processes that it has started and that still run."""
    return [each for each in everything() if parent(each) == pid]


def members(group: int) -> list[int]:
    """Return all processes of a group but its leader, without dead ones."""
    return [pid for pid in everything() if pid != group and _number(pid, 2) == group]


def everything() -> list[int]:
    return [int(path.name) for path in PROC.glob("[0-9]*")]


def sleepers() -> list[int]:
    """Return the processes that ``sleep`` for `SLEEP` seconds, wherever they do so."""
    return [pid for pid in everything() if command(pid) == f"sleep {SLEEP} "]


def held(pid: int) -> list[str]:
    """Return the files that it has open; none if it is gone."""
    found = []
    with suppress(OSError):
        for each in (PROC / str(pid) / "fd").iterdir():
            with suppress(FileNotFoundError):  # it has just been closed
                found.append(os.readlink(each))
    return found


def touching(folder: Path) -> list[int]:
    """Return the processes that name the folder in their command line, have something of it mounted
    (sandboxes) or hold its lock (keepers).
    """
    return [pid for pid in everything() if pid != os.getpid() and _touches(pid, folder.name)]


def send(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process that may be gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _touches(pid: int, name: str) -> bool:
    if any(name in each for each in (command(pid), *held(pid))):
        return True
    try:
        return name in (PROC / str(pid) / "mountinfo").read_text()
    except OSError:
        return False


def _number(pid: int, place: int) -> int:
    """Return a number from ``stat``, counted from the state; 0 for a process that is gone or a
    zombie.
    """
    try:
        words = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if words[0] == "Z" else int(words[place])
