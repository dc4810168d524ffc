"""A database that is away, and comes back: how errors show it, and what people are told.

Everything that runs goes on meanwhile, and every process tries again by itself: web with the next
request, worker and watch with what they do next.
"""

from __future__ import annotations

import sqlite3

from django.db import InterfaceError, OperationalError
from django.utils.translation import gettext as _

CODE = "database.away"

_OF_SQLITE = frozenset({
    sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_IOERR,
})  # fmt: skip
_MAIN = 0xFF
"""What is above it in a number of SQLite's only says more."""
_OF_POSTGRESQL = ("08", "53", "57P", "25006")
"""Connections, too many of them, a server that starts or ends, and one that may only be read."""


def is_behind(error: BaseException | None) -> bool:
    """Whether the database could not be reached, or not be written to just then."""
    if isinstance(error, InterfaceError):
        return True
    return isinstance(error, OperationalError) and _is_away(error.__cause__)


def _is_away(cause: BaseException | None) -> bool:
    number = getattr(cause, "sqlite_errorcode", None)
    if number is not None:
        return number & _MAIN in _OF_SQLITE
    state = getattr(cause, "sqlstate", None)
    return state is None or state.startswith(_OF_POSTGRESQL)


def sentence() -> str:
    return _(
        "The portal's database does not answer at present, so nothing could be looked up or saved. "
        "Running notebooks and builds go on. Try again in a moment; what you wanted may not be "
        "done yet."
    )
