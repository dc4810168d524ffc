"""The numbers that a table has given to its rows: the next is one more, whatever was deleted."""

from __future__ import annotations

from django.db import connection
from django.db.models import Max, Model

from sessions.installation.decision import Newest
from sessions.models import Build, Session


def newest() -> Newest:
    """Return the highest numbers of sessions and builds that this database has ever given."""
    return Newest(last(Session), last(Build))


def last(model: type[Model]) -> int:
    """Return the highest number that a row of this table has, or had."""
    there = model._default_manager.aggregate(last=Max("pk"))["last"] or 0
    return max(there, _given(model._meta.db_table))


def skip_to(model: type[Model], number: int) -> None:
    """Have new rows get higher numbers than this one."""
    table = model._meta.db_table
    if number <= last(model):
        return
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", [table, number])
            return
        cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [table])
        cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table, number])


def _given(table: str) -> int:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            sequence = "pg_get_serial_sequence(%s, 'id')::regclass"
            cursor.execute(f"SELECT pg_sequence_last_value({sequence})", [table])
        else:
            cursor.execute("SELECT MAX(seq) FROM sqlite_sequence WHERE name = %s", [table])
        return int(cursor.fetchone()[0] or 0)
