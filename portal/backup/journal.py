"""A note that a restore is changing things, so that it can be begun again after it broke off.

It is there from the moment at which something is moved until all is done. As long as it is, what
stands in the place is half a portal, and none is started or backed up.
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
from django.utils.translation import gettext as _

from portal.backup.draft import sync
from portal.backup.errors import BackupError

FILE = "restoring.json"


@dataclass
class Journal:
    """``aside`` is the name of the folders into which goes what was there before, ``erased`` are
    digests of the names of people who had been erased."""

    aside: str
    erased: list[str] = field(default_factory=list)

    def write(self) -> None:
        """Have it be on the disk."""
        fresh = _path().with_name(f".{FILE}")
        with fresh.open("w") as file:
            file.write(json.dumps(asdict(self)) + "\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(_path())
        sync(_path().parent)

    def end(self) -> None:
        _path().unlink(missing_ok=True)
        sync(_path().parent)


def read() -> Journal | None:
    """Return what an earlier restore that broke off has noted."""
    try:
        return Journal(**json.loads(_path().read_text()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        text = _("%(file)s cannot be read: %(why)s. Move it away, and restore with --force.")
        raise BackupError(text % {"file": _path(), "why": error}) from error


def refuse_half() -> None:
    """Raises `BackupError` where a restore broke off: what is there is half a portal."""
    if _path().exists():
        text = _(
            "A restore into %(folder)s broke off, so half of it is there. Run manage.py restore "
            "again: it begins anew, and what was there before the first one stays where it is."
        )
        raise BackupError(text % {"folder": settings.PORTAL_DATA})


@contextmanager
def lock(*, alone: bool) -> Iterator[None]:
    """Keep a restore, which is ``alone``, apart from all backups. Raises `BackupError`."""
    try:
        file = (Path(settings.PORTAL_DATA) / "backup.lock").open("w")
    except OSError:  # a pod of the cluster has no folder of its own, and nothing to restore into
        yield
        return
    with file:
        try:
            fcntl.flock(file, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            text = _("A backup or a restore of this portal is under way. Wait for it to end.")
            raise BackupError(text) from None
        yield


def _path() -> Path:
    return Path(settings.PORTAL_DATA) / FILE
