"""Recognise a full disk or an absent database, and continue with what still works.

A full disk loses nothing. Whatever could not be written is tried again: by a keeper, by
`sessions.watch.reconcile`, or by the person who reads `disk_full_message`. `sessions.capacity` acts
long before, when a disk is nearly full.

While the database is away, everything that runs goes on, and every process tries again by itself:
web with the next request, worker and watch with their next chore.
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
from .repofiles.merge import DISK_UNREACHABLE_ERRNOS

log = logging.getLogger(__name__)

P = ParamSpec("P")


def run_safely(work: Callable[P, object], *arguments: P.args, **more: P.kwargs) -> bool:
    """Call ``work`` and return whether it succeeded.

    A failure is logged, and keeps nothing else from being done.
    """
    with context.bound_fields(reference=context.reference()):
        try:
            work(*arguments, **more)
        except Exception as error:
            if is_temporary_error(error):
                log.warning("%s will be retried: %s", _name(work), error)
            else:
                log.exception("%s failed and will be retried", _name(work))
            return False
    return True


def is_temporary_error(error: Exception) -> bool:
    """Return whether the error passes by itself, so that the same work may succeed later."""
    behind = is_database_away_error(error) or is_disk_full_error(error)
    return isinstance(error, TemporaryError) or behind


def _name(work: Callable[..., object]) -> object:
    return getattr(work, "__name__", work)


DISK_FULL = "disk.full"
MIN_FREE_BYTES = 4_000_000
"""Bytes: with fewer, the next write may fail."""
DISK_FULL_PROBLEM = "its disk is full"
"""For programs and operators, like the words of `portal.health.checks`."""

_FULL_ERRNOS = frozenset({errno.ENOSPC, errno.EDQUOT})
_FULL_IN_SQLITE = frozenset({
    sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE,
})  # fmt: skip
_FULL_IN_POSTGRESQL = "53100"


def is_disk_full_error(error: BaseException | None) -> bool:
    """Return whether a full disk has led to this error."""
    while error is not None:
        if (
            getattr(error, "errno", None) in _FULL_ERRNOS
            or getattr(error, "sqlite_errorcode", None) in _FULL_IN_SQLITE
            or getattr(error, "sqlstate", None) == _FULL_IN_POSTGRESQL
        ):
            return True
        error = error.__cause__ or error.__context__
    return False


def is_disk_full(folder: Path) -> bool:
    """Return whether the disk of this folder is full."""
    there = os.statvfs(folder)
    return there.f_bavail * there.f_frsize < MIN_FREE_BYTES


def is_database_disk_full() -> bool:
    """Return whether the disk of the embedded database is full; False for a database server."""
    database = settings.DATABASES["default"]
    embedded = database["ENGINE"] == "django.db.backends.sqlite3"
    return bool(embedded and is_disk_full(Path(database["NAME"]).parent))


def disk_full_message() -> str:
    """Return the message for people whose action has to be stored."""
    return _(
        "The portal's disk is full, so nothing can be saved right now. Running notebooks continue. "
        "The staff have been notified; try again when they have made room."
    )


@contextmanager
def retry_on_disk_error() -> Iterator[None]:
    """Turn errors of the disk in the block into `TemporaryError`, so that it is tried again.

    The disk is full, read-only, away, or on a file server that does not accept our rights
    (``root_squash``).
    """
    try:
        yield
    except OSError as error:
        if is_disk_full_error(error):
            raise TemporaryError(DISK_FULL, disk_full_message()) from error
        if error.errno == errno.EROFS:
            message = _("The portal's disk is read-only right now. The staff have been notified.")
            raise TemporaryError("disk.read-only", message) from error
        if error.errno == errno.EPERM:
            message = _(
                "The portal's disk does not allow it to change the owner of people's folders. "
                "Tell the staff."
            )
            raise TemporaryError("disk.refused", message) from error
        if error.errno in DISK_UNREACHABLE_ERRNOS:
            message = _(
                "The portal's disk does not answer right now. The staff have been notified."
            )
            raise TemporaryError("disk.away", message) from error
        raise


DATABASE_AWAY = "database.away"

_AWAY_IN_SQLITE = frozenset({
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
})  # fmt: skip
_MAIN = 0xFF
"""Mask for SQLite's primary result code; the bits above it only give details."""
_AWAY_IN_POSTGRESQL = ("08", "40001", "40P01", "53", "57P", "25006")
"""Connection errors, transactions that it has ended in favour of others again and again, too many
connections, and a server that starts, stops or is read-only.
"""


def is_database_away_error(error: BaseException | None) -> bool:
    """Return whether the database could not be reached, or not be written to just then."""
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
    """Return the message for people while the database does not answer."""
    return _(
        "The portal's database does not answer right now, so nothing could be read or saved. "
        "Running notebooks and builds go on. Try again in a moment; your last change may not have "
        "been made."
    )
