"""Copy the database while it is in use, and load the copy again.

SQLite has its online backup; PostgreSQL has ``pg_dump``, ``pg_restore`` and ``psql``, which must be
of the server's version or newer (`postgresql`). Either copy is of one moment, and the rows are
counted at that moment, too. Loading happens completely or not at all.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from django.db import connection
from django.utils.translation import gettext as _

from portal.backup import postgresql
from portal.backup.programs import BackupError

FILE_NAMES = {"sqlite": "database.sqlite3", "postgresql": "database.pgdump"}


def kind() -> str:
    """Return this portal's kind of database. Raises `BackupError` for one that is not supported."""
    if connection.vendor not in FILE_NAMES:
        raise BackupError(_("Only SQLite and PostgreSQL can be backed up."))
    return connection.vendor


def dump(target: Path) -> dict[str, int]:
    """Copy the database into the new file ``target``, and return the number of rows per table.

    Raises `BackupError` if the copy cannot be read again.
    """
    if kind() == "postgresql":
        return postgresql.dump(target)
    connection.ensure_connection()
    with closing(sqlite3.connect(target)) as copy:
        connection.connection.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, complete without a second
        if (said := copy.execute("PRAGMA quick_check").fetchone()[0]) != "ok":
            raise BackupError(_("The database is damaged: %(why)s") % {"why": said})
        return _count_rows(copy)


def load(source: Path, aside: str) -> list[str]:
    """Replace the database's contents by a dump; what it held is gone.

    Tables that may belong to a newer version are moved to the schema ``aside``, and their names are
    returned. If this raises `BackupError`, nothing was changed.
    """
    if kind() == "postgresql":
        return postgresql.load(source, aside)
    connection.close()
    database = Path(connection.settings_dict["NAME"])
    fresh = database.with_name(f".{database.name}.restoring")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    with closing(sqlite3.connect(source)) as kept, closing(sqlite3.connect(fresh)) as copy:
        kept.backup(copy)
    with fresh.open("rb") as file:
        os.fsync(file.fileno())
    for end in ("-wal", "-shm"):  # of the old database, whose copy is elsewhere
        database.with_name(database.name + end).unlink(missing_ok=True)
    fresh.replace(database)
    return []


def count_rows() -> dict[str, int]:
    """Return the current number of rows in each of the portal's tables."""
    if kind() == "postgresql":
        return postgresql.count_rows()
    connection.ensure_connection()
    return _count_rows(connection.connection)


def _count_rows(database: sqlite3.Connection) -> dict[str, int]:
    names = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    tables = [name for (name,) in database.execute(names)]
    count = 'SELECT COUNT(*) FROM "{}"'
    return {name: database.execute(count.format(name)).fetchone()[0] for name in tables}
