"""What a folder takes, and having it gone; runs in pods, by itself. No link is followed.

By ``du`` and ``rm``, which know trees of any depth. Neighbours: `settle` and `helper`.
"""

from __future__ import annotations

import errno
import os
import subprocess

_KILO = 1024


def size(folder: int, seconds: float) -> int | None:
    """Return the bytes that the folder takes of its disk, each hard link counted once; None
    where that cannot be known within so many seconds."""
    try:
        told = subprocess.run(
            ["du", "-sk", "."],
            cwd=_path(folder),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
        )
        return int(told.stdout.split()[0]) * _KILO
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired):
        return None


def remove(folder: int, name: str) -> None:
    """Remove what has this name in the folder: all of a folder, of a link the link alone.

    Folders that shut their owner out are opened. Raises `OSError` where something stays.
    """
    path = f"{_path(folder)}/{name}"
    why = _run(folder, "rm", "-rf", "--", name)
    if os.path.lexists(path) and not os.path.islink(path):
        _run(folder, "chmod", "-R", "u+rwx", "--", name)
        why = _run(folder, "rm", "-rf", "--", name)
    if os.path.lexists(path):
        raise OSError(errno.EACCES, why or "it cannot be removed", name)


def _path(folder: int) -> str:
    """Where the folder is, whatever its name has become."""
    return f"/proc/self/fd/{folder}"


def _run(folder: int, *words: str) -> str:
    """Run a program there; the last that it said against it."""
    told = subprocess.run(words, cwd=_path(folder), stderr=subprocess.PIPE)
    return told.stderr.decode("utf-8", "replace").strip()[-200:]
