"""Collect styles, scripts and images into the folder they are served from.

Settings name the folder and `StaticStorage`; `refresh` fills the folder when files have changed.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from whitenoise.storage import CompressedManifestStaticFilesStorage


def refresh() -> None:
    """Collect and compress all static files, unless the folder is up to date."""
    stamp = Path(settings.STATIC_ROOT) / ".collected"
    state = _state()
    if stamp.exists() and stamp.read_text() == state:
        return
    call_command("collectstatic", interactive=False, verbosity=0)
    stamp.write_text(state)


def _state() -> str:
    """Return a checksum of the names, sizes and times of all files to collect."""
    checksum = hashlib.sha256(settings.STATIC_URL.encode())
    for finder in get_finders():
        for name, storage in finder.list(None):
            status = Path(storage.path(name)).stat()
            checksum.update(f"{name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return checksum.hexdigest()


class StaticStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # untyped
    """File names that change with the content, also where one ES module imports another.

    Otherwise a browser would go on using an old part of a new page.
    """

    support_js_module_import_aggregation = True
