"""Measure and remove folders; a module of pods' programs. No link is followed.

Uses ``du`` and ``rm``, which handle trees of any depth. Neighbours: `settle` and `helper`.
"""

from __future__ import annotations

import errno
import os
import subprocess

_KILO = 1024


def size(folder: int, seconds: float) -> int | None:
    """Return the bytes that the folder takes on its disk, each hard link counted once.

    None if that cannot be found out within ``seconds``.
    """
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
    """Remove the entry of this name in the folder: a folder with its content, or a link alone.

    Folders that shut their owner out are made accessible. Raises `OSError` if something stays.
    """
    path = f"{_path(folder)}/{name}"
    why = _run(folder, "rm", "-rf", "--", name)
    if os.path.lexists(path) and not os.path.islink(path):
        _run(folder, "chmod", "-R", "u+rwx", "--", name)
        why = _run(folder, "rm", "-rf", "--", name)
    if os.path.lexists(path):
        raise OSError(errno.EACCES, why or "it cannot be removed", name)


def _path(folder: int) -> str:
    """Return a path to the folder that works whatever its name has become."""
    return f"/proc/self/fd/{folder}"


def _run(folder: int, *words: str) -> str:
    """Run a program there; return the end of its error output."""
    told = subprocess.run(words, cwd=_path(folder), stderr=subprocess.PIPE)
    return told.stderr.decode("utf-8", "replace").strip()[-200:]
