"""Check the database, what is encrypted in it, Redis, the disk and the installation id.

Database: reachable, of a supported version, with all migrations, and its clock agrees with ours.
Encrypted columns: the keys still open them; `manage.py reseal` goes through all rows of these.
Redis: answers and passes messages on. Disk: has room, and is local where it has to be.
Installation: database and data belong together; objects of other portals and volumes of nobody are
reported.
"""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.utils import NotSupportedError
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from redis import Redis, RedisError

from keys import keypairs
from keys.models import KeyPair
from keys.sealing import SealedColumn, count_unreadable
from portal.accounts.oidc.signins import REFRESH_TOKEN
from portal.models import SignIn
from sessions import capacity
from sessions.backends import get_backend
from sessions.installation import ownership
from sessions.installation.known import OwnershipStatus, having_rows
from sessions.models import Session, session
from sessions.watch.conditions import describe_problem

from . import Finding, short_message

OWN_APPS = frozenset({"portal", "notebook_sessions", "quotas", "keys"})
MAX_CLOCK_SKEW = timedelta(seconds=5)
SEALED_COLUMNS = (
    SealedColumn(KeyPair, "sealed", keypairs.SEAL_PURPOSE, "user__username"),
    SealedColumn(Session, "sealed_token", session.SEAL_PURPOSE, "project__owner__username"),
    SealedColumn(SignIn, "sealed", REFRESH_TOKEN, "user__username"),
)
"""Every column that is stored encrypted."""
SEALED_SAMPLE = 200


def check_database() -> Iterator[Finding]:
    """Yield findings on the database."""
    try:
        connection.ensure_connection()
        connection.check_database_version_supported()
        yield from _check_migrations()
        yield from _check_server() if connection.vendor == "postgresql" else _check_file()
    except NotSupportedError as error:
        yield Finding("doctor.old-database", str(error), _("Use a newer database server."))
    except (DatabaseError, InterfaceError) as error:
        yield Finding(
            "doctor.database",
            _("The database cannot be reached: %(why)s.") % {"why": short_message(error)},
            _("Check the disk, or the server that DATABASE_URL names."),
        )


def _check_migrations() -> Iterator[Finding]:
    loader = MigrationLoader(connection)
    applied = set(loader.applied_migrations)
    if missing := sorted(loader.disk_migrations.keys() - applied):
        yield Finding(
            "doctor.migrations",
            _("The database is older than this portal: %(names)s.")
            % {"names": _migration_names(missing)},
            _("Back up, then run `manage.py migrate` (docs/upgrade.md)."),
        )
    strange = {key for key in applied if key[0] in OWN_APPS} - loader.disk_migrations.keys()
    if strange:
        yield Finding(
            "doctor.newer-database",
            _("The database is newer than this portal: %(names)s.")
            % {"names": _migration_names(sorted(strange))},
            _("Run the version that migrated it, or restore a backup."),
        )


def _migration_names(migrations: list[tuple[str, str]]) -> str:
    return ", ".join(f"{label}.{name}" for label, name in migrations[:5])


def _check_server() -> Iterator[Finding]:
    encoding, there = _query_value("SHOW server_encoding"), _query_value("SELECT clock_timestamp()")
    if encoding != "UTF8":
        yield Finding(
            "doctor.encoding",
            _("The database's encoding is %(encoding)s, so some names cannot be stored.")
            % {"encoding": encoding},
            _("Create a new one with ENCODING 'UTF8', and restore into it."),
        )
    yield from _check_clock(there, timezone.now())


def _check_clock(there: datetime, here: datetime) -> Iterator[Finding]:
    if abs(there - here) > MAX_CLOCK_SKEW:
        yield Finding(
            "doctor.clock",
            _("This machine's clock and the database server's are %(seconds)d seconds apart.")
            % {"seconds": abs((there - here).total_seconds())},
            _("Synchronize both with NTP: times are compared between machines."),
        )


def _query_value(question: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(question)
        return cursor.fetchone()[0]


def _check_file() -> Iterator[Finding]:
    if kind := network_filesystem(settings.PORTAL_DATA):
        yield Finding(
            "doctor.far-database",
            _("The database is a file on a network disk (%(kind)s), where its locks do not work.")
            % {"kind": kind},
            _("Set PORTAL_DATA to a folder on a local disk, or DATABASE_URL to a server."),
        )


SECONDS = 3.0


def check_redis() -> Iterator[Finding]:
    """Yield a finding if Redis is set but cannot be used."""
    if not settings.REDIS_URL:
        return
    try:
        if _delivers_messages():
            return
        why = _("a published message did not arrive")
    except (RedisError, OSError, ValueError) as error:
        why = short_message(error)
    yield Finding(
        "doctor.redis",
        _("Redis cannot be used: %(why)s. Pages show logs and states late.") % {"why": why},
        _("Check the server that REDIS_URL names."),
    )


def _delivers_messages() -> bool:
    """Return whether a published message reaches a listener."""
    name, over = f"bindery-doctor-{secrets.token_hex(8)}", time.monotonic() + SECONDS
    with (
        Redis.from_url(
            settings.REDIS_URL, socket_timeout=SECONDS, socket_connect_timeout=SECONDS
        ) as redis,
        redis.pubsub() as listener,
    ):
        listener.subscribe(name)
        listener.get_message(timeout=SECONDS)  # the confirmation of the subscription
        redis.publish(name, name)
        while time.monotonic() < over:
            if (heard := listener.get_message(timeout=SECONDS)) and heard["type"] == "message":
                return True
    return False


MOUNTS = Path("/proc/self/mounts")
NETWORK_FILESYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "ceph", "glusterfs", "lustre", "fuse.sshfs"}
)
MIN_FREE_GB = 1.0


def check_disk() -> Iterator[Finding]:
    """Yield findings if the data folder or the disk of environments is nearly full."""
    free = shutil.disk_usage(settings.PORTAL_DATA).free / 1e9
    if free < MIN_FREE_GB:
        yield Finding(
            "doctor.data-folder",
            _("Only %(free).1f GB are free where the portal keeps its data.") % {"free": free},
            _(
                "Free some space: on a full disk, builds fail and a database file cannot be "
                "written."
            ),
        )
    if capacity.is_disk_nearly_full():
        yield Finding(
            "doctor.disk",
            _("The disk with environments and people's files is nearly full, so new builds wait."),
            _("Free some space, or let the portal keep less (docs/configure.md)."),
        )


def network_filesystem(path: Path, mounts: Path = MOUNTS) -> str:
    """Return the kind of network disk that a path is on; "" for a local disk."""
    lines = (line.split() for line in mounts.read_text().splitlines())
    above = [(point, kind) for _device, point, kind, *_rest in lines if path.is_relative_to(point)]
    _point, kind = max(above, key=lambda each: len(each[0]), default=("", ""))
    return kind if kind in NETWORK_FILESYSTEMS else ""


MAX_NAMES = 5


def check_installation() -> Iterator[Finding]:
    """Yield findings if database and data do not fit, and on what is another's or nobody's."""
    status = ownership.compare()
    if status not in {OwnershipStatus.MATCHES, OwnershipStatus.UNASSIGNED}:
        problem = describe_problem(ownership.PART, status.value)
        yield Finding(problem.id, problem.message, problem.hint)
        return
    backend = get_backend()
    if others := backend.foreign():
        message = ngettext(
            "The namespace has %(count)d object of another portal: %(names)s.",
            "The namespace has %(count)d objects of another portal: %(names)s.",
            len(others),
        )
        hint = _("This portal leaves them alone. Give each portal its own namespace.")
        yield Finding("doctor.foreign", message % _named(others), hint, advice=True)
    there = backend.inventory()
    if nobodys := sorted(there.volumes - having_rows(there).volumes):
        message = ngettext(
            "%(count)d volume belongs to nobody in the database: %(names)s.",
            "%(count)d volumes belong to nobody in the database: %(names)s.",
            len(nobodys),
        )
        hint = _("The portal never removes a volume. Check whose files they hold.")
        yield Finding("doctor.volumes", message % _named(nobodys), hint, advice=True)


def _named(names: Sequence[str]) -> dict[str, object]:
    return {"count": len(names), "names": ", ".join(names[:MAX_NAMES])}


def check_sealed() -> Iterator[Finding]:
    """Yield findings on the newest rows of each column; ``manage.py reseal`` checks all."""
    for column in SEALED_COLUMNS:
        if lost := count_unreadable(column, SEALED_SAMPLE):
            yield _unreadable(column, lost)


def _unreadable(column: SealedColumn, lost: int) -> Finding:
    message = _("%(what)s: %(lost)d of the newest %(sample)d are encrypted with an unknown key.")
    what = column.model._meta.verbose_name_plural
    words = {"what": what, "lost": lost, "sample": SEALED_SAMPLE}
    hint = _("Add the key that they were encrypted with to PORTAL_ENCRYPTION_KEYS (docs/keys.md).")
    return Finding("doctor.unreadable", message % words, hint)
