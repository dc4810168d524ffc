"""Disks that take nothing: how the system says so, and what people are told.

Nothing of a person's is lost by any of it: a file is written whole or stays as it was.
"""

from __future__ import annotations

import errno
import os

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
