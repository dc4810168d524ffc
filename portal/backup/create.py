"""Make a backup while the portal runs, and check that everything is in it.

Files come first and the database last. Whatever happens in between, a row finds its files as they
were a little earlier, and missing files are made when the project next starts. The other way round,
there would be files that no row knows.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone
from django.utils.translation import gettext as _

from portal import VERSION
from portal.models import Installation
from sessions.backends.local import owners
from sessions.backends.local.folders import Folders

from . import archives, database, folders, manifest, preconditions
from .archives import Contents
from .manifest import Manifest, archive_of
from .programs import BackupError
from .survey import NamesByReason
from .swap import AlreadyInProgress, draft

KEYS = ("secret-key", "encryption-key")


def back_up(target: Path, *, with_keys: bool) -> Manifest:
    """Make the folder ``target``, or nothing. Raises `BackupError`.

    The manifest names what could not be read; everything else is in the backup.
    """
    if target.exists():
        text = _("%(folder)s already exists. Choose a new folder for this backup.")
        raise BackupError(text % {"folder": target})
    try:
        with preconditions.lock(exclusive=False), draft(target) as staging:
            preconditions.refuse_interrupted()
            return _fill(staging, with_keys=with_keys)
    except AlreadyInProgress as error:
        text = _("Another program is creating %(folder)s right now. Wait for it to finish.")
        raise BackupError(text % {"folder": target}) from error
    except OSError as error:
        text = _("The backup could not be written to %(folder)s: %(why)s.")
        why = f"{error.filename}: {error.strerror}" if error.filename else error
        raise BackupError(text % {"folder": target, "why": why}) from error


def _fill(staging: Path, *, with_keys: bool) -> Manifest:
    left_out, missing = NamesByReason(), NamesByReason()
    packed = {}
    for folder in folders.FOLDERS:  # on Kubernetes they are volumes of the cluster
        packed.update(_pack_folders(folder, staging, left_out, missing))
    for file in (*folders.FILES, *(KEYS if with_keys else ())):
        if (path := settings.PORTAL_DATA / file).exists():  # other keys are in the environment
            shutil.copy2(path, staging / file)
    name = database.FILE_NAMES[database.kind()]
    rows = database.dump(staging / name)
    made = Manifest(
        version=VERSION,
        made=timezone.now().isoformat(timespec="seconds"),
        database=database.kind(),
        migrations=applied_migrations(),
        files=manifest.digests(staging, _files(staging)),
        installation=Installation.objects.current_id(),
        rows=rows,
        folders=packed,
        uids=_uids(),
        left_out=left_out.as_list(),
        missing=missing.as_list(),
    )
    manifest.write(staging, made)
    return made


def _uids() -> dict[str, list[int]]:
    known = owners.known_uids(Folders(settings.PORTAL_DATA).homes)
    return {"bases": list(known.bases), "own": list(known.own)}


def _pack_folders(
    folder: str, staging: Path, left_out: NamesByReason, missing: NamesByReason
) -> dict[str, Contents]:
    """Archive each folder in a folder of the data folder by itself."""
    top, found = folders.top_folder(folder), []
    if top:
        (staging / folder).mkdir(mode=0o700, parents=True)
        found = folders.children(top, folder, left_out, missing)
    folders.record_absent(folder, found, missing)
    packed = {}
    for path in found:
        name = archive_of(folder, path.name)
        try:
            packed[name] = archives.pack(path, staging / name)
            if packed[name].missing:  # files may have been moved around meanwhile
                packed[name] = archives.pack(path, staging / name)
        except (FileNotFoundError, NotADirectoryError):  # it was removed meanwhile
            (staging / name).unlink(missing_ok=True)
            left_out.add(folders.HIDDEN, f"{folder}/{path.name}")
        except PermissionError:
            missing.add(archives.NOT_READ, f"{folder}/{path.name}")
    return packed


def _files(staging: Path) -> list[str]:
    """List all files of the backup except the lock."""
    paths = (path for path in staging.rglob("*") if path.is_file())
    return sorted(str(path.relative_to(staging)) for path in paths if path.name != ".lock")


def applied_migrations() -> list[str]:
    """Return the migrations applied to the database, as ``app.name``."""
    return sorted(".".join(key) for key in MigrationRecorder(connection).applied_migrations())
