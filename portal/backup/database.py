"""A copy of the database while it is in use, and the way back.

SQLite has its online backup; PostgreSQL has ``pg_dump`` and ``pg_restore``, which have to be of the
server's version or newer. Either copy is of one moment.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from django.db import connection
from django.db.backends.postgresql.client import DatabaseClient
from django.db.migrations.recorder import MigrationRecorder
from django.utils.translation import gettext as _

from portal.backup.errors import BackupError
from portal.backup.programs import run

NAMES = {"sqlite": "database.sqlite3", "postgresql": "database.pgdump"}


def kind() -> str:
    """Of this portal's database. Raises `BackupError` for one that is never copied here."""
    if connection.vendor not in NAMES:
        raise BackupError(_("Only SQLite and PostgreSQL can be backed up."))
    return connection.vendor


def dump(target: Path) -> None:
    """Copy the database into the new file ``target``."""
    if kind() == "postgresql":
        _postgresql("pg_dump", ["--format=custom", *_PLAIN, f"--file={target}"])
        return
    connection.ensure_connection()
    with closing(sqlite3.connect(target)) as copy:
        connection.connection.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, whole without a second


def load(source: Path) -> None:
    """Have the database be what was dumped; what it held is gone."""
    if kind() == "postgresql":
        _drop_tables()
        words = ["--single-transaction", "--exit-on-error", *_PLAIN]
        _postgresql("pg_restore", [*words, str(source)], database="--dbname")
        return
    connection.close()
    database = Path(connection.settings_dict["NAME"])
    for path in (database, *(database.with_name(database.name + end) for end in ("-wal", "-shm"))):
        path.unlink(missing_ok=True)
    database.touch(mode=0o600)
    with closing(sqlite3.connect(source)) as kept, closing(sqlite3.connect(database)) as copy:
        kept.backup(copy)


def _drop_tables() -> None:
    """Remove the portal's own tables, and those of nobody else in the same database."""
    names = connection.introspection.django_table_names(only_existing=True, include_views=False)
    with connection.cursor() as cursor:
        for name in {*names, MigrationRecorder.Migration._meta.db_table}:
            cursor.execute(f"DROP TABLE IF EXISTS {connection.ops.quote_name(name)} CASCADE")
    connection.close()


_PLAIN = ("--no-owner", "--no-privileges")


def _postgresql(program: str, words: list[str], database: str = "") -> None:
    """Run a program of PostgreSQL against this portal's database; no password is a word of it."""
    (_psql, *where), environment = DatabaseClient.settings_to_cmd_args_env(
        connection.settings_dict, []
    )
    *where, name = where
    named = [f"{database}={name}"] if database else [name]
    run([program, *where, *words, *named], environment={**(environment or {}), "LC_ALL": "C"})
