"""The rules, as pure functions: do database and place belong together, and is too much unknown?

Tell which of the things found in a place have a row, or had one.

This includes the numbers that a table has given to its rows: the next one is higher, whatever was
deleted since.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from enum import StrEnum
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Max, Model, QuerySet

from portal.models import Erasure, User
from sessions.backends import Found
from sessions.models import Build, Project, Session
from sessions.names import owner_slug

MANY = 5
"""This many unknown things may go, however few there are."""
SHARE = 5
"""Beyond that, at most one in this many may be unknown."""


class Verdict(StrEnum):
    """The answers of `decide`; the values are words for programs and operators, as in health."""

    FITS = ""
    GIVE = "no id is given yet"
    UNDECIDED = "the data have things that the database does not know"
    FOREIGN = "the data belong to another database"
    OLDER = "the database is older than the data"
    UNREADABLE = "the id of the namespace may not be read"


class Newest(NamedTuple):
    """The highest numbers that the database has ever given to sessions and builds."""

    session: int
    build: int


def decide(database: str, place: str, there: Found, known: Found, newest: Newest) -> Verdict:
    """Return whether a database and a place belong together, by the ids they bear ("" is none).

    ``there`` is what was found in the place, ``known`` the part of it that has a row. A missing id
    is given only if a mistake loses nothing: the place is empty, or all of it is known.
    """
    if database and place and database != place:
        return Verdict.FOREIGN
    is_newer = max(there.sessions, default=0) > newest.session
    is_newer = is_newer or max(there.builds, default=0) > newest.build
    if database and place:
        return Verdict.OLDER if is_newer else Verdict.FITS
    is_known = there.projects <= known.projects and there.volumes <= known.volumes
    return Verdict.GIVE if is_known and not is_newer else Verdict.UNDECIDED


def is_too_much(unknown: int, there: int) -> bool:
    """Return whether so much of what is there is unknown that the database itself is in doubt."""
    return unknown > MANY and SHARE * unknown > there


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
