"""Recognise disks that accept no data, and mark folders that are not synced yet.

A full, read-only or missing disk costs nobody their data: a file is written whole or stays as it
was. `reason` and `sentence` turn the system's error into what people are told.

Waiting for the disk would make each build seconds longer, so a finished folder of many files is
used before all of them are synced. Until then it has a mark that names the current boot: if the
machine restarts meanwhile, a power cut may have lost part of it, and it counts as not finished.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterable
from pathlib import Path

from sessions.repofiles.merge import AWAY, NO_ROOM

NOT_NOW = NO_ROOM | AWAY | {errno.EROFS}
"""Errors after which writing is retried later, when somebody has fixed the disk."""

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
    """Return what is wrong with a disk that gave this error; "" if the disk is not the reason."""
    if number in NO_ROOM:
        return FULL
    if number == errno.EROFS:
        return READ_ONLY
    return GONE if number in AWAY else ""


def sentence(kind: str, why: str) -> str:
    """Return the message for a ``build`` or a ``spawn`` that ends for this reason."""
    mended = "made room" if why == FULL else "mended it"
    return f"{_WHY[why]}, {_ENDED[kind]}. The staff are told; try again when they have {mended}."


def number_in(text: str) -> int:
    """Return the error number that a system program complains of; EIO if none is known."""
    numbers = (number for number in sorted(NOT_NOW) if os.strerror(number) in text)
    return next(numbers, errno.EIO)


RESULT = "result.json"
"""The file that describes a finished environment; written before that gets its name."""
MARK = ".unsynced"


def mark(folder: Path) -> None:
    """Note in a folder that it is not synced yet."""
    (folder / MARK).write_text(_boot())


def is_in_doubt(folder: Path) -> bool:
    """Return whether the machine restarted before the folder was synced."""
    try:
        return (folder / MARK).read_text() != _boot()
    except FileNotFoundError:
        return False


def sync_all(top: Path, folders: Iterable[Path]) -> None:
    """Sync folders in ``top`` and remove their marks. Raises `OSError`: then the marks stay."""
    marked = list(folders)
    if marked:
        sync(top)
    for folder in marked:
        (folder / MARK).unlink(missing_ok=True)


def sync(folder: Path) -> None:
    """Sync the whole file system of a folder. Raises `OSError`."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        os.close(descriptor)


def _boot() -> str:
    """Return an id of this boot of the machine; "" if the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
