"""A disk that is full: how errors show it, whether it is so now, and what people are told.

Nothing is lost by it. What could not be written is tried again: by a keeper, by `reconcile`, by the
person who reads `sentence`. `space` has what is done long before, when a disk is nearly full.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from sessions.errors import TemporaryError
from sessions.repofiles.merge import AWAY

CODE = "disk.full"
LEAST = 4_000_000
"""Bytes: with fewer, the next write may fail."""
WORDS = "its disk is full"
"""For programs and operators, as the words of `portal.health`."""

_OF_THE_SYSTEM = frozenset({errno.ENOSPC, errno.EDQUOT})
_OF_SQLITE = frozenset({
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE,
})  # fmt: skip
_OF_POSTGRESQL = "53100"


def is_behind(error: BaseException | None) -> bool:
    """Whether a full disk has led to this error."""
    while error is not None:
        if (
            getattr(error, "errno", None) in _OF_THE_SYSTEM
            or getattr(error, "sqlite_errorcode", None) in _OF_SQLITE
            or getattr(error, "sqlstate", None) == _OF_POSTGRESQL
        ):
            return True
        error = error.__cause__ or error.__context__
    return False


def is_at(folder: Path) -> bool:
    """Whether the disk of this folder is full."""
    there = os.statvfs(folder)
    return there.f_bavail * there.f_frsize < LEAST


def is_under_database() -> bool:
    """Whether the disk of the embedded database is full; another one's is not ours to look at."""
    database = settings.DATABASES["default"]
    embedded = database["ENGINE"] == "django.db.backends.sqlite3"
    return bool(embedded and is_at(Path(database["NAME"]).parent))


def sentence() -> str:
    """For whoever wanted something that has to be written down."""
    return _(
        "The portal's disk is full, so nothing can be saved at present. Running notebooks go on. "
        "The staff are told; try again when they have made room."
    )


@contextmanager
def passes() -> Iterator[None]:
    """What fails in the block because of a disk is worth another try: it is full, read-only, away,
    or a file server's that does not take our rights (``root_squash``)."""
    try:
        yield
    except OSError as error:
        if is_behind(error):
            raise TemporaryError(CODE, sentence()) from error
        if error.errno == errno.EROFS:
            message = _("The portal's disk can only be read at present. The staff are told.")
            raise TemporaryError("disk.read-only", message) from error
        if error.errno == errno.EPERM:
            message = _(
                "The portal's disk does not let it give people's folders to them. Tell the staff."
            )
            raise TemporaryError("disk.refused", message) from error
        if error.errno in AWAY:
            message = _("The portal's disk does not answer at present. The staff are told.")
            raise TemporaryError("disk.away", message) from error
        raise
