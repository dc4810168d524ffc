"""Check that a backup may be restored, and record that a restore has begun.

All checks come before any change. The record (`RestoreRecord`) exists from the first move until all
is done, so that an interrupted restore can be started again. While it exists, half a portal is in
place, which can be neither started nor backed up.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError
from django.db.migrations.loader import MigrationLoader
from django.utils.translation import gettext as _

from portal.lib.datafolder import sync
from portal.models import User
from sessions.backends import get_backend
from sessions.errors import TemporaryError
from sessions.models import Heartbeat

from . import database, folders, postgresql, swap
from .manifest import Manifest
from .programs import BackupError

FILE = "restoring.json"


@dataclass
class RestoreRecord:
    """The record of a restore that is under way.

    ``aside`` names the folders that receive what was there before. ``erased`` are digests of the
    names of people who had been erased.
    """

    aside: str
    erased: list[str] = field(default_factory=list)

    def write(self) -> None:
        """Write the record and flush it to disk."""
        fresh = _path().with_name(f".{FILE}")
        with fresh.open("w") as file:
            file.write(json.dumps(asdict(self)) + "\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(_path())
        sync(_path().parent)

    def end(self) -> None:
        """Remove the record: the restore is done."""
        _path().unlink(missing_ok=True)
        sync(_path().parent)


def interrupted_restore() -> RestoreRecord | None:
    """Return the record of an interrupted restore; None if there is none.

    Raises `BackupError` if it cannot be read.
    """
    try:
        return RestoreRecord(**json.loads(_path().read_text()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        text = _("%(file)s cannot be read: %(why)s. Move it away and restore with --force.")
        raise BackupError(text % {"file": _path(), "why": error}) from error


def refuse_interrupted() -> None:
    """Raise `BackupError` if a restore was interrupted, which leaves half a portal in place."""
    if _path().exists():
        text = _(
            "A restore into %(folder)s was interrupted, so its data is incomplete. Run "
            "manage.py restore again: it starts over, and what the first restore moved "
            "aside stays where it is."
        )
        raise BackupError(text % {"folder": settings.PORTAL_DATA})


@contextmanager
def lock(*, exclusive: bool) -> Iterator[None]:
    """Keep a restore, which is ``exclusive``, apart from all backups.

    Raises `BackupError` if another one holds the lock.
    """
    try:
        file = (Path(settings.PORTAL_DATA) / "backup.lock").open("w")
    except OSError:  # a pod in a cluster has no data folder, and nothing to restore into
        yield
        return
    with file:
        try:
            fcntl.flock(file, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            text = _("A backup or restore of this portal is running. Wait for it to finish.")
            raise BackupError(text) from None
        yield


def _path() -> Path:
    return Path(settings.PORTAL_DATA) / FILE


def refuse_incompatible(made: Manifest) -> None:
    """Raise `BackupError` for a backup that this installation cannot take."""
    known = {".".join(key) for key in MigrationLoader(None).disk_migrations}
    if set(made.migrations) - known:
        text = _(
            "This backup was made by version %(theirs)s, which is newer than this one. "
            "Upgrade this installation to that version first, then restore."
        )
        raise BackupError(text % {"theirs": made.version})
    if made.database != database.kind():
        text = _(
            "This backup is of %(theirs)s, but this installation uses %(ours)s. Set or "
            "unset DATABASE_URL so that both are the same."
        )
        raise BackupError(text % {"theirs": made.database, "ours": database.kind()})


def refuse_while_running() -> None:
    """Raise `BackupError` while the portal, or one of its notebooks or builds, still runs."""
    if _is_watched():
        raise BackupError(
            _(
                "A portal is using this database: its watch process was active in the last "
                "half minute. Stop web, worker and watch, wait half a minute, and restore "
                "again."
            )
        )
    if running := _count_running():
        text = _(
            "%(count)d notebooks or builds are still running, and after a restore nobody "
            "would know whose they are. Start the portal, stop them in the admin, stop the "
            "portal, and restore again."
        )
        raise BackupError(text % {"count": running})


def refuse_dependents() -> None:
    """Raise `BackupError` if views or tables of others depend on the portal's tables.

    Dropping the portal's tables would drop them, too.
    """
    if database.kind() == "postgresql" and (
        names := postgresql.dependents_of(postgresql.installed_tables())
    ):
        text = _(
            "These views and tables depend on the portal's, and would be dropped with "
            "them: %(names)s. Save their definitions, drop them, and restore again."
        )
        raise BackupError(text % {"names": ", ".join(names)})


def refuse_to_replace() -> None:
    """Raise `BackupError` if there are people or files already."""
    if is_in_use():
        text = _(
            "%(folder)s or its database is in use: it has people or files. Restore into a "
            "new PORTAL_DATA, or add --force to move what is there to a folder beside it."
        )
        raise BackupError(text % {"folder": settings.PORTAL_DATA})


def is_in_use() -> bool:
    """Return whether there are people or files; an empty disk's ``lost+found`` does not count."""
    tops = (settings.PORTAL_DATA / name for name in folders.FOLDERS)
    return _has_people() or any(_has_files(top) for top in tops)


def _count_running() -> int:
    backend = get_backend()
    try:
        servers, builds = backend.servers(), backend.builds()
    except TemporaryError as error:
        raise BackupError(error.message) from error
    return sum(each.state != "gone" for each in servers) + sum(not each.finished for each in builds)


def _is_watched() -> bool:
    try:
        return Heartbeat.objects.is_watched()
    except DatabaseError:  # it has no tables yet
        return False


def _has_people() -> bool:
    try:
        return User.objects.exists()
    except DatabaseError:
        return False


def _has_files(top: Path) -> bool:
    return top.is_dir() and any(_is_used(path) for path in top.iterdir())


def _is_used(path: Path) -> bool:
    """Return whether something would have to be moved; one person's mounted disk may be empty."""
    if not swap.must_be_moved(path):
        return False
    if not swap.is_link_or_mount(path):
        return True
    return any(swap.must_be_moved(below) for below in path.iterdir())
