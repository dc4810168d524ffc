"""The manifest of a backup: what it is of, and what each of its files has to be.

It is written last, so a folder without one is half a backup and none.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from django.utils.translation import gettext as _

from portal.backup.errors import BackupError

FILE = "manifest.json"
FORMAT = 1


@dataclass(frozen=True)
class Manifest:
    """``database`` is the kind (sqlite, postgresql), ``migrations`` those applied to it as
    ``app.name``, ``files`` the SHA-256 of each file by its name; ``made`` in ISO format."""

    version: str
    made: str
    database: str
    migrations: list[str]
    files: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT


def write(folder: Path, manifest: Manifest) -> None:
    (folder / FILE).write_text(json.dumps(asdict(manifest), indent=2) + "\n")


def read(folder: Path) -> Manifest:
    """The manifest in ``folder``. Raises `BackupError` where there is none that can be read."""
    try:
        fields = json.loads((folder / FILE).read_text())
        if fields["format"] != FORMAT:
            raise BackupError(
                _("This backup was made by a newer version. Restore it with that version.")
            )
        return Manifest(**fields)
    except (OSError, ValueError, KeyError, TypeError) as error:
        text = _("%(folder)s is no whole backup: its %(file)s cannot be read (%(why)s).")
        words = {"folder": folder, "file": FILE, "why": error}
        raise BackupError(text % words) from error


def digests(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """The SHA-256 of these files."""
    return {name: _digest(folder / name) for name in names}


def verify(folder: Path, manifest: Manifest) -> None:
    """Raises `BackupError` unless every file is as it was made."""
    for name, digest in manifest.files.items():
        path = folder / name
        if not path.is_file() or _digest(path) != digest:
            text = _(
                "%(path)s is missing or not as it was when the backup was made. Take another copy "
                "of this backup, or another backup. Nothing was changed."
            )
            raise BackupError(text % {"path": path})


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
