"""Restore a backup into a new installation or in place of what is there.

`preconditions` checks everything, and everything is unpacked, before anything is touched. Then what
is there is moved aside, the old database as a copy, and the backup takes its place. A restore that
is interrupted before that has changed nothing; one that is interrupted later can be started again.
Sessions and builds that ran when the backup was made are ended: they no longer exist.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from portal.lib.datafolder import exclusive_lock
from portal.models import Erasure, User
from portal.models.erasure import digest
from sessions.backends.local import owners
from sessions.backends.local.folders import Folders
from sessions.backends.local.orphans import ensure_id
from sessions.lifecycle.ending import fail
from sessions.models import Build, Session
from sessions.progress import journal
from sessions.states import BuildState, Phase, SessionState

from . import database, folders, manifest, preconditions, swap
from .create import KEYS
from .folders import Unpacked, unpack
from .manifest import Manifest
from .preconditions import RestoreRecord
from .programs import BackupError

CODE = "restore.ended"


def end_stale_sessions(made: datetime) -> int:
    """End every session and build that ran when the backup was made; return how many sessions."""
    live = list(Session.objects.live().select_related("project"))
    for session in live:
        _end(session, made)
    for pk in Build.objects.active().values_list("pk", flat=True):
        finished = timezone.now()
        Build.objects.advance(
            pk, BuildState.CANCELLED, by="restore", why=CODE, code=CODE, finished=finished
        )
    return len(live)


def _end(session: Session, made: datetime) -> None:
    ended, advance = timezone.now(), Session.objects.advance
    if advance(session.pk, SessionState.STOPPED, by="restore", why=CODE, ended=ended):
        journal.record(session, Phase.STOPPED, _("The notebook is stopped."))
        return
    text = _(
        "The portal was restored from its backup of %(when)s, and the notebook that was "
        "running then is gone. Your files are as they were at that time. Start it again."
    )
    when = date_format(timezone.localtime(made), "DATETIME_FORMAT")
    fail(session, CODE, text % {"when": when}, by="restore")


INSTALLATION_FILE = Folders(Path()).installation.name
"""The file in the data folder that holds the installation's id."""


@dataclass
class RestoreResult:
    """The outcome of a restore.

    ``aside`` are the folders that hold what was there before. ``tables`` were moved to the schema
    ``schema``. ``ended`` counts sessions that were ended. ``erased`` are people who were erased
    after the backup was made, and are back. ``incomplete`` says what could not be unpacked.
    """

    made: Manifest
    people: int = 0
    ended: int = 0
    aside: list[Path] = field(default_factory=list)
    schema: str = ""
    tables: list[str] = field(default_factory=list)
    erased: list[str] = field(default_factory=list)
    incomplete: dict[str, list[str]] = field(default_factory=dict)


def restore(source: Path, *, force: bool) -> RestoreResult:
    """Replace database, files and keys by those of the backup. Raises `BackupError`."""
    made = manifest.read(source)
    preconditions.refuse_incompatible(made)
    manifest.verify(source, made)
    with exclusive_lock(), preconditions.lock(exclusive=True):
        preconditions.refuse_while_running()
        preconditions.refuse_dependents()
        interrupted = preconditions.interrupted_restore()
        if not force and interrupted is None:
            preconditions.refuse_to_replace()
        return _unpack_and_restore(source, made, interrupted)


def _unpack_and_restore(
    source: Path, made: Manifest, interrupted: RestoreRecord | None
) -> RestoreResult:
    unpacked = Unpacked()
    try:
        unpack(source, made, unpacked)
        return _restore(source, made, interrupted, unpacked)
    except OSError as error:
        text = _("The restore was interrupted: %(why)s. Fix that and restore again.")
        raise BackupError(text % {"why": error}) from error
    finally:
        unpacked.clean_up()


def _restore(
    source: Path, made: Manifest, interrupted: RestoreRecord | None, unpacked: Unpacked
) -> RestoreResult:
    result = RestoreResult(made, incomplete=unpacked.incomplete)
    note = interrupted or RestoreRecord(
        f"{swap.ASIDE_PREFIX}{timezone.now():%Y%m%d-%H%M%S}", _erased_digests()
    )
    is_in_use = interrupted is not None or preconditions.is_in_use()
    note.write()
    if is_in_use:
        result.aside = _move_aside(made, note.aside)
    for target, folder in unpacked.staged.items():
        swap.move_into_place(folder, target)
    _copy_files(source, made)
    _record_uids(made)
    name = note.aside.replace("-", "_")
    result.tables = database.load(source / database.FILE_NAMES[made.database], name)
    result.schema = name if result.tables else ""
    _require_same_rows(made)
    call_command("migrate", interactive=False, verbosity=0)
    result.ended = end_stale_sessions(datetime.fromisoformat(made.made))
    names = User.objects.values_list("username", flat=True)
    result.people = len(names)
    result.erased = sorted(name for name in names if digest(name) in note.erased)
    os.sync()
    note.end()
    return result


def _erased_digests() -> list[str]:
    """Return the digests of the names of people who were erased here."""
    try:
        return list(Erasure.objects.values_list("username", flat=True))
    except DatabaseError:  # it has no tables yet
        return []


def _move_aside(made: Manifest, name: str) -> list[Path]:
    """Move everything that is there, and return where it is now."""
    data = Path(settings.PORTAL_DATA)
    place = data / name
    place.mkdir(mode=0o700, exist_ok=True)
    copy = place / database.FILE_NAMES[made.database]
    if (
        database.count_rows() and not copy.exists()
    ):  # a copy that exists is from before the first try
        draft = copy.with_name(f".{copy.name}.partial")
        draft.unlink(missing_ok=True)
        database.dump(draft)
        draft.rename(copy)
    places = {place: None}
    for folder in folders.FOLDERS:
        top = data / folder
        for path in sorted(top.iterdir()) if top.is_dir() else ():
            if swap.must_be_moved(path) and f"{folder}/{path.name}" not in folders.FOLDERS:
                places[swap.move(path, [place / folder, top / f".{name}"], name)] = None
    others = [
        key for key in (*KEYS, INSTALLATION_FILE) if key in made.files or key == INSTALLATION_FILE
    ]
    for path in (data / each for each in ("run", *others)):
        if path.exists():
            swap.move(path, [place], name)
    return [each for each in places if each.parent != place]


def _copy_files(source: Path, made: Manifest) -> None:
    for file in (*KEYS, *folders.FILES):
        if file in made.files:
            shutil.copy2(source / file, settings.PORTAL_DATA / file)
    if made.installation and settings.PORTAL_BACKEND != "kubernetes":
        where = Folders(settings.PORTAL_DATA)
        where.installation.unlink(missing_ok=True)
        ensure_id(where, made.installation)


def _record_uids(made: Manifest) -> None:
    """Record the uids of the unpacked files: those that their owners had then."""
    homes = Folders(settings.PORTAL_DATA).homes
    for base in made.uids.get("bases", ()) if homes.is_dir() else ():
        owners.record_uids(homes, base=base)
    for own in made.uids.get("own", ()) if homes.is_dir() else ():
        owners.record_uids(homes, own=own)


def _require_same_rows(made: Manifest) -> None:
    """Raise `BackupError` if the database does not have all rows that were dumped."""
    there = database.count_rows()
    if other := [name for name, rows in made.rows.items() if there.get(name) != rows]:
        text = _(
            "These database tables do not have as many rows as the backup: %(names)s. "
            "Restore again, or use another backup."
        )
        raise BackupError(text % {"names": ", ".join(other)})
