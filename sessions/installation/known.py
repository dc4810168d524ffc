"""Tell which of the things found in a place have a row, or had one, and what follows from that.

This includes the numbers that a table has given to its rows: the next one is higher, whatever was
deleted since. The rules are pure functions: whether database and place belong together
(`ownership_status`), and whether too much is unknown (`has_too_many_unknown`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from enum import StrEnum
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Max, Model, QuerySet

from portal.models import Erasure, User
from sessions.backends import Inventory
from sessions.models import Build, Project, Session
from sessions.names import owner_slug

MAX_UNKNOWN = 5
"""This many unknown things may go, however few there are in all."""
UNKNOWN_RATIO = 5
"""Beyond that, at most one in this many may be unknown."""


class OwnershipStatus(StrEnum):
    """The answers of `ownership_status`.

    The values are words for programs and operators, as in health.
    """

    MATCHES = ""
    UNASSIGNED = "no id is given yet"
    UNDECIDED = "the data have things that the database does not know"
    FOREIGN = "the data belong to another database"
    OLDER = "the database is older than the data"
    UNREADABLE = "the id of the namespace may not be read"


class HighestNumbers(NamedTuple):
    """The highest numbers that the database has ever given to sessions and builds."""

    session: int
    build: int


def ownership_status(
    database: str, place: str, found: Inventory, known: Inventory, newest: HighestNumbers
) -> OwnershipStatus:
    """Return whether a database and a place belong together, by the ids they bear ("" is none).

    ``found`` is what was found in the place, ``known`` the part of it that has a row. A
    missing id is given only if a mistake loses nothing: the place is empty, or all of it is known.
    """
    if database and place and database != place:
        return OwnershipStatus.FOREIGN
    is_newer = max(found.sessions, default=0) > newest.session
    is_newer = is_newer or max(found.builds, default=0) > newest.build
    if database and place:
        return OwnershipStatus.OLDER if is_newer else OwnershipStatus.MATCHES
    is_known = found.projects <= known.projects and found.volumes <= known.volumes
    return OwnershipStatus.UNASSIGNED if is_known and not is_newer else OwnershipStatus.UNDECIDED


def has_too_many_unknown(unknown: int, total: int) -> bool:
    """Return whether so much of what is there is unknown that the database itself is in doubt."""
    return unknown > MAX_UNKNOWN and UNKNOWN_RATIO * unknown > total


def highest_numbers() -> HighestNumbers:
    """Return the highest numbers of sessions and builds that this database has ever given."""
    return HighestNumbers(highest_number(Session), highest_number(Build))


def highest_number(model: type[Model]) -> int:
    """Return the highest number that a row of this table has, or had."""
    there = model._default_manager.aggregate(last=Max("pk"))["last"] or 0
    return max(there, _sequence_value(model._meta.db_table))


def advance_sequence(model: type[Model], number: int) -> None:
    """Make new rows of this table get higher numbers than this one."""
    table = model._meta.db_table
    if number <= highest_number(model):
        return
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", [table, number])
            return
        cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [table])
        cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table, number])


def _sequence_value(table: str) -> int:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            sequence = "pg_get_serial_sequence(%s, 'id')::regclass"
            cursor.execute(f"SELECT pg_sequence_last_value({sequence})", [table])
        else:
            cursor.execute("SELECT MAX(seq) FROM sqlite_sequence WHERE name = %s", [table])
        return int(cursor.fetchone()[0] or 0)


BATCH_SIZE = 500


def having_rows(found: Inventory) -> Inventory:
    """Return the part of it that has a row, including deleted projects and erased people."""
    return Inventory(
        projects=frozenset(existing_values(Project.objects.all(), "name", found.projects)),
        volumes=found.volumes & frozenset(_volumes()) if found.volumes else frozenset(),
        sessions=frozenset(existing_values(Session.objects.all(), "pk", found.sessions)),
        builds=frozenset(existing_values(Build.objects.all(), "pk", found.builds)),
    )


def existing_values(rows: QuerySet[Any], field: str, values: Collection[Any]) -> set[Any]:
    """Return the values that occur in this column of the rows."""
    found: set[Any] = set()
    ordered = sorted(values)
    for place in range(0, len(ordered), BATCH_SIZE):
        some = ordered[place : place + BATCH_SIZE]
        found.update(rows.filter(**{f"{field}__in": some}).values_list(field, flat=True))
    return found


def _volumes() -> Iterator[str]:
    """Yield all volumes that the database knows, including those of erased people."""
    for volume, username in User.objects.values_list("volume", "username").iterator():
        yield volume or owner_slug(username)
    for volume in Erasure.objects.exclude(volume="").values_list("volume", flat=True):
        yield volume.removesuffix("-nfs-pvc")
