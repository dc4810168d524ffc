"""Tell which of the things found in a place have a row, or had one.

This includes the numbers that a table has given to its rows: the next one is higher, whatever was
deleted since.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from django.db import connection
from django.db.models import Max, Model, QuerySet

from portal.models import Erasure, User
from sessions.backends import Found
from sessions.models import Build, Project, Session
from sessions.names import owner_slug

from .rules import Newest


def newest() -> Newest:
    """Return the highest numbers of sessions and builds that this database has ever given."""
    return Newest(last(Session), last(Build))


def last(model: type[Model]) -> int:
    """Return the highest number that a row of this table has, or had."""
    there = model._default_manager.aggregate(last=Max("pk"))["last"] or 0
    return max(there, _given(model._meta.db_table))


def skip_to(model: type[Model], number: int) -> None:
    """Make new rows of this table get higher numbers than this one."""
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


AT_ONCE = 500


def known(there: Found) -> Found:
    """Return the part of it that has a row, including deleted projects and erased people."""
    return Found(
        projects=frozenset(having(Project.objects.all(), "name", there.projects)),
        volumes=there.volumes & frozenset(_volumes()) if there.volumes else frozenset(),
        sessions=frozenset(having(Session.objects.all(), "pk", there.sessions)),
        builds=frozenset(having(Build.objects.all(), "pk", there.builds)),
    )


def having(rows: QuerySet[Any], field: str, values: Collection[Any]) -> set[Any]:
    """Return the values that occur in this column of the rows."""
    found: set[Any] = set()
    ordered = sorted(values)
    for place in range(0, len(ordered), AT_ONCE):
        some = ordered[place : place + AT_ONCE]
        found.update(rows.filter(**{f"{field}__in": some}).values_list(field, flat=True))
    return found


def _volumes() -> Iterator[str]:
    """Yield all volumes that the database knows, including those of erased people."""
    for volume, username in User.objects.values_list("volume", "username").iterator():
        yield volume or owner_slug(username)
    for volume in Erasure.objects.exclude(volume="").values_list("volume", flat=True):
        yield volume.removesuffix("-nfs-pvc")
