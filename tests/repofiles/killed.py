"""Run a merge and kill it before a given change to the disk.

``killed.py N SOURCE TARGET RECORD COMMIT`` is killed before its Nth change. If it survives, it
prints how many there were.
"""

from __future__ import annotations

import os
import signal
import sys

from sessions.repofiles import merge

CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.chmod", "os.link", "os.symlink",
           "os.utime", "os.truncate", "open"}  # fmt: skip
_seen = [0, 0]


def dies_at(number: int) -> None:
    """Have this process killed before its change with that number."""
    _seen[:] = [0, number]


def _hook(event: str, arguments: tuple[object, ...]) -> None:
    if event not in CHANGES or not _seen[1] or (event == "open" and not _writes(arguments)):
        return
    _seen[0] += 1
    if _seen[0] == _seen[1]:
        os.kill(os.getpid(), signal.SIGKILL)


def _writes(arguments: tuple[object, ...]) -> bool:
    flags = arguments[2]
    return isinstance(flags, int) and bool(flags & (os.O_WRONLY | os.O_RDWR))


if __name__ == "__main__":
    sys.addaudithook(_hook)
    dies_at(int(sys.argv[1]))
    merge.merge(*sys.argv[2:6])
    print(_seen[0])  # noqa: T201
