"""Bringing a backup back, into a new installation or in the place of what is there.

Nothing is touched before everything was asked (`refusals`), and nothing is removed: what is there
is moved aside, the old database as a copy.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.alone import only_one
from portal.backup import afterwards, archives, database, manifest, refusals
from portal.backup.errors import BackupError
from portal.backup.making import KEYS
from portal.backup.manifest import Manifest
from portal.models import Erasure, User
from portal.models.erasure import digest

MOVED = (*archives.FOLDERS, "run")


@dataclass(frozen=True)
class Restored:
    """``aside`` is where that is which was there before; ``erased`` are people who had been
    erased there since the backup was made, and are back."""

    made: Manifest
    people: int
    ended: int
    aside: Path | None
    erased: list[str]


def restore(source: Path, *, force: bool) -> Restored:
    """Have database, files and keys be those of the backup. Raises `BackupError`."""
    made = manifest.read(source)
    refusals.refuse_unfit(made)
    manifest.verify(source, made)
    with only_one():
        refusals.refuse_while_running()
        if not force:
            refusals.refuse_to_replace()
        return _restore(source, made)


def _restore(source: Path, made: Manifest) -> Restored:
    try:
        aside, erased = _move_aside(made) if refusals.is_in_use() else (None, set())
        _bring_files(source, made)
        database.load(source / database.NAMES[made.database])
    except OSError as error:
        text = _("The restore was broken off: %(why)s. Mend that, and restore again with --force.")
        raise BackupError(text % {"why": error}) from error
    call_command("migrate", interactive=False, verbosity=0)
    ended = afterwards.settle(datetime.fromisoformat(made.made))
    names = User.objects.values_list("username", flat=True)
    back = sorted(name for name in names if digest(name) in erased)
    return Restored(made, len(names), ended, aside, back)


def _move_aside(made: Manifest) -> tuple[Path, set[str]]:
    """Where it is now, and the digests of the names of whoever was erased there."""
    aside = settings.PORTAL_DATA / f"before-restore-{timezone.now():%Y%m%d-%H%M%S}"
    aside.mkdir(mode=0o700)
    database.dump(aside / database.NAMES[made.database])
    for name in [*MOVED, *(key for key in KEYS if key in made.files)]:
        if (path := settings.PORTAL_DATA / name).exists():
            path.rename(aside / name)
    return aside, set(Erasure.objects.values_list("username", flat=True))


def _bring_files(source: Path, made: Manifest) -> None:
    for folder in archives.FOLDERS:
        if archives.name(folder) in made.files:
            archives.unpack(source / archives.name(folder), settings.PORTAL_DATA)
    for key in KEYS:
        if key in made.files:
            shutil.copy2(source / key, settings.PORTAL_DATA / key)
