"""Making a backup while the portal runs.

The files first and the database last: whatever happened in between, a row finds its files as they
were a little earlier, and what a row has no files for is made at its next start. The other way
round, files would be there that no row asks for, and those are removed.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.backup import archives, database, manifest
from portal.backup.errors import BackupError
from portal.backup.manifest import Manifest
from portal.version import VERSION

KEYS = ("secret-key", "encryption-key")


def back_up(target: Path, *, with_keys: bool) -> Manifest:
    """Make the folder ``target``, whole or not at all. Raises `BackupError`."""
    if target.exists():
        text = _("%(folder)s is there already. Name a new folder for this backup.")
        raise BackupError(text % {"folder": target})
    draft = target.with_name(f".{target.name}.partial")
    shutil.rmtree(draft, ignore_errors=True)
    try:
        draft.mkdir(mode=0o700, parents=True)
        made = _fill(draft, with_keys=with_keys)
        draft.rename(target)
    except OSError as error:
        text = _("The backup could not be written to %(folder)s: %(why)s.")
        raise BackupError(text % {"folder": target, "why": error.strerror}) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return made


def _fill(draft: Path, *, with_keys: bool) -> Manifest:
    data = settings.PORTAL_DATA
    for folder in archives.FOLDERS:
        if (data / folder).is_dir():  # on Kubernetes they are volumes of the cluster
            archives.pack(data, folder, draft / archives.name(folder))
    for key in KEYS if with_keys else ():
        if (data / key).exists():  # those that come from the environment are kept elsewhere
            shutil.copy2(data / key, draft / key)
    database.dump(draft / database.NAMES[database.kind()])
    made = Manifest(
        version=VERSION,
        made=timezone.now().isoformat(timespec="seconds"),
        database=database.kind(),
        migrations=applied(),
        files=manifest.digests(draft, sorted(os.listdir(draft))),
    )
    manifest.write(draft, made)
    return made


def applied() -> list[str]:
    """The migrations that the database has, as ``app.name``."""
    return sorted(".".join(key) for key in MigrationRecorder(connection).applied_migrations())
