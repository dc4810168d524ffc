"""The place for environments, which are many thousand small files: in memory if there is room."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

MEMORY = "/dev/shm"
ROOM = 8_000_000_000
"""Bytes: a whole portal with a dozen environments needs half of that."""


def folder() -> Path:
    """Return a new folder that the notebooks' users can pass through; the caller removes it.

    Its path is short, because those of sockets must be.
    """
    _sweep()
    prefix = f"bindery-{os.getpid()}-"
    path = Path(tempfile.mkdtemp(prefix=prefix, dir=MEMORY if _has_room() else "/tmp"))
    path.chmod(0o711)
    return path


def _sweep() -> None:
    """Remove what killed runs have left in memory: a few of them fill it."""
    for left in Path(MEMORY).glob("bindery-[0-9]*-*"):
        if not Path("/proc", left.name.split("-")[1]).exists():
            shutil.rmtree(left, ignore_errors=True)


def _has_room() -> bool:
    there = os.statvfs(MEMORY)
    return there.f_bavail * there.f_frsize > ROOM and not there.f_flag & os.ST_NOEXEC
