"""The database: reachable, of the right version, with all migrations, and of one time with us."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.utils import NotSupportedError
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.doctor.disk import is_far
from portal.doctor.finding import Finding
from portal.doctor.reasons import in_a_line

OURS = frozenset({"portal", "notebook_sessions", "quotas", "keys"})
SKEW = timedelta(seconds=5)


def check() -> Iterator[Finding]:
    try:
        connection.ensure_connection()
        connection.check_database_version_supported()
        yield from _migrations()
        yield from _server() if connection.vendor == "postgresql" else _file()
    except NotSupportedError as error:
        yield Finding("doctor.old-database", str(error), _("Use a newer database server."))
    except (DatabaseError, InterfaceError) as error:
        yield Finding(
            "doctor.database",
            _("The database cannot be reached: %(why)s.") % {"why": in_a_line(error)},
            _("Look at the disk, or at the server that DATABASE_URL names."),
        )


def _migrations() -> Iterator[Finding]:
    loader = MigrationLoader(connection)
    applied = set(loader.applied_migrations)
    if missing := sorted(loader.disk_migrations.keys() - applied):
        yield Finding(
            "doctor.migrations",
            _("The database is older than this portal: %(names)s.") % {"names": _named(missing)},
            _("`manage.py migrate` brings it up to date; back up first (docs/upgrade.md)."),
        )
    strange = {key for key in applied if key[0] in OURS} - loader.disk_migrations.keys()
    if strange:
        yield Finding(
            "doctor.newer-database",
            _("The database is newer than this portal: %(names)s.")
            % {"names": _named(sorted(strange))},
            _("Run the version that it was brought up to date with, or restore a backup."),
        )


def _named(migrations: list[tuple[str, str]]) -> str:
    return ", ".join(f"{label}.{name}" for label, name in migrations[:5])


def _server() -> Iterator[Finding]:
    encoding, there = _said("SHOW server_encoding"), _said("SELECT clock_timestamp()")
    if encoding != "UTF8":
        yield Finding(
            "doctor.encoding",
            _("The database is in %(encoding)s, so not every name can be stored.")
            % {"encoding": encoding},
            _("Make a new one with ENCODING 'UTF8', and restore into it."),
        )
    yield from _skewed(there, timezone.now())


def _skewed(there: datetime, here: datetime) -> Iterator[Finding]:
    if abs(there - here) > SKEW:
        yield Finding(
            "doctor.clock",
            _("The clock here and that of the database server are %(seconds)d seconds apart.")
            % {"seconds": abs((there - here).total_seconds())},
            _("Have both set by the network (NTP): times are compared between machines."),
        )


def _said(question: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(question)
        return cursor.fetchone()[0]


def _file() -> Iterator[Finding]:
    if kind := is_far(settings.PORTAL_DATA):
        yield Finding(
            "doctor.far-database",
            _("The database is a file on a network disk (%(kind)s), where its locks do not hold.")
            % {"kind": kind},
            _("Set PORTAL_DATA to a folder of this machine, or DATABASE_URL to a server."),
        )
