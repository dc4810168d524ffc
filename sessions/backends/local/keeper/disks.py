"""Recognise disks that take nothing, and mark folders that are not synced yet.

Disks that take nothing: how the system says so, and what people are told.

Nothing of a person's is lost by any of it: a file is written whole or stays as it was.

Folders of many files that are used before all of them are on the disk.

To wait for the disk would make each build seconds longer. So a folder that is finished has a
mark that names this start of the machine, until it is synced: where the machine was started anew
meanwhile, a power cut may have taken of it, and it counts as not finished.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterable
from pathlib import Path

from sessions.repofiles.merge import AWAY, NO_ROOM

NOT_NOW = NO_ROOM | AWAY | {errno.EROFS}
"""What is written later, when somebody has mended the disk."""

FULL, READ_ONLY, GONE = "out-of-space", "disk-read-only", "disk-away"
_WHY = {
    FULL: "The portal's disk is full",
    READ_ONLY: "The portal's disk can only be read at present",
    GONE: "The portal's disk does not answer",
}
_ENDED = {
    "build": "so the build was ended, and what it had made was removed",
    "spawn": "so the notebook could not start. Your files are there",
}


def reason(number: int | None) -> str:
    """Return what is wrong with a disk that answers with this error; "" where that is not why."""
    if number in NO_ROOM:
        return FULL
    if number == errno.EROFS:
        return READ_ONLY
    return GONE if number in AWAY else ""


def sentence(kind: str, why: str) -> str:
    """Return what is said of a ``build`` or a ``spawn`` that ends for this reason."""
    mended = "made room" if why == FULL else "mended it"
    return f"{_WHY[why]}, {_ENDED[kind]}. The staff are told; try again when they have {mended}."


def number_in(text: str) -> int:
    """Return the error that a program of the system complains of; EIO where none is known."""
    numbers = (number for number in sorted(NOT_NOW) if os.strerror(number) in text)
    return next(numbers, errno.EIO)


RESULT = "result.json"
"""The file of a finished environment that says what it is; written before it has its name."""
MARK = ".unsynced"


def mark(folder: Path) -> None:
    """Note in a folder that it is not on the disk yet."""
    (folder / MARK).write_text(_boot())


def is_in_doubt(folder: Path) -> bool:
    """Whether the machine was started anew before the folder was on its disk."""
    try:
        return (folder / MARK).read_text() != _boot()
    except FileNotFoundError:
        return False


def sync_all(top: Path, folders: Iterable[Path]) -> None:
    """Have folders in ``top`` on the disk, and take their marks away. Raises `OSError`: then these
    stay."""
    marked = list(folders)
    if marked:
        sync(top)
    for folder in marked:
        (folder / MARK).unlink(missing_ok=True)


def sync(folder: Path) -> None:
    """Have the whole file system of a folder on the disk. Raises `OSError`."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        os.close(descriptor)


def _boot() -> str:
    """Return a name of this start of the machine; "" where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
