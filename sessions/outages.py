"""Recognise a full disk or an absent database, and go on with what still works.

Doing many things of which each may fail.

A disk that is full: how errors show it, whether it is so now, and what people are told.

Nothing is lost by it. What could not be written is tried again: by a keeper, by
`watch.reconcile`, by the person who reads `sentence`. `capacity` has what is done long before,
when a disk is nearly full.

A database that is away, and comes back: how errors show it, and what people are told.

Everything that runs goes on meanwhile, and every process tries again by itself: web with the
next request, worker and watch with what they do next.
"""

from __future__ import annotations

import errno
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.utils.translation import gettext as _

from portal.lib.logs import context

from .errors import TemporaryError
from .repofiles.merge import AWAY

log = logging.getLogger(__name__)

P = ParamSpec("P")


def guarded(work: Callable[P, object], *arguments: P.args, **more: P.kwargs) -> bool:
    """Do it, and say whether it could be done; a failure is logged, and keeps nothing else from
    being looked at."""
    with context.about(reference=context.reference()):
        try:
            work(*arguments, **more)
        except Exception as error:
            if _passes(error):
                log.warning("%s is tried again: %s", _name(work), error)
            else:
                log.exception("%s failed; it is tried again", _name(work))
            return False
    return True


def _passes(error: Exception) -> bool:
    behind = is_database_away(error) or is_full_disk(error)
    return isinstance(error, TemporaryError) or behind


def _name(work: Callable[..., object]) -> object:
    return getattr(work, "__name__", work)


DISK_FULL = "disk.full"
MIN_FREE = 4_000_000
"""Bytes: with fewer, the next write may fail."""
DISK_FULL_WORDS = "its disk is full"
"""For programs and operators, as the words of `portal.health.checks`."""

_OF_THE_SYSTEM = frozenset({errno.ENOSPC, errno.EDQUOT})
_FULL_IN_SQLITE = frozenset({
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE,
})  # fmt: skip
_FULL_IN_POSTGRESQL = "53100"


def is_full_disk(error: BaseException | None) -> bool:
    """Whether a full disk has led to this error."""
    while error is not None:
        if (
            getattr(error, "errno", None) in _OF_THE_SYSTEM
            or getattr(error, "sqlite_errorcode", None) in _FULL_IN_SQLITE
            or getattr(error, "sqlstate", None) == _FULL_IN_POSTGRESQL
        ):
            return True
        error = error.__cause__ or error.__context__
    return False


def is_disk_full(folder: Path) -> bool:
    """Whether the disk of this folder is full."""
    there = os.statvfs(folder)
    return there.f_bavail * there.f_frsize < MIN_FREE


def is_database_disk_full() -> bool:
    """Whether the disk of the embedded database is full; another one's is not ours to look at."""
    database = settings.DATABASES["default"]
    embedded = database["ENGINE"] == "django.db.backends.sqlite3"
    return bool(embedded and is_disk_full(Path(database["NAME"]).parent))


def disk_full_message() -> str:
    """For whoever wanted something that has to be written down."""
    return _(
        "The portal's disk is full, so nothing can be saved at present. Running notebooks go on. "
        "The staff are told; try again when they have made room."
    )


@contextmanager
def retry_on_disk_error() -> Iterator[None]:
    """What fails in the block because of a disk is worth another try: it is full, read-only, away,
    or a file server's that does not take our rights (``root_squash``)."""
    try:
        yield
    except OSError as error:
        if is_full_disk(error):
            raise TemporaryError(DISK_FULL, disk_full_message()) from error
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


DATABASE_AWAY = "database.away"

_AWAY_IN_SQLITE = frozenset({
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
})  # fmt: skip
_MAIN = 0xFF
"""What is above it in a number of SQLite's only says more."""
_AWAY_IN_POSTGRESQL = ("08", "53", "57P", "25006")
"""Connections, too many of them, a server that starts or ends, and one that may only be read."""


def is_database_away(error: BaseException | None) -> bool:
    """Whether the database could not be reached, or not be written to just then."""
    if isinstance(error, InterfaceError):
        return True
    return isinstance(error, OperationalError) and _is_away(error.__cause__)


def _is_away(cause: BaseException | None) -> bool:
    number = getattr(cause, "sqlite_errorcode", None)
    if number is not None:
        return number & _MAIN in _AWAY_IN_SQLITE
    state = getattr(cause, "sqlstate", None)
    return state is None or state.startswith(_AWAY_IN_POSTGRESQL)


def database_away_message() -> str:
    return _(
        "The portal's database does not answer at present, so nothing could be looked up or saved. "
        "Running notebooks and builds go on. Try again in a moment; what you wanted may not be "
        "done yet."
    )
