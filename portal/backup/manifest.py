"""Write, read and verify a backup's manifest, and report what the backup holds and lacks.

The manifest is written last, so a folder without one is an unfinished backup and cannot be used.

Format 2 has an archive for each person and project (``homes/ada.tar``), relative to that folder.
Format 1 had one archive for all (``homes.tar``), relative to the data folder, and did not record
its contents.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from portal.backup.archives import Contents
from portal.backup.programs import BackupError

MAX_LINES = 50
"""How many lines are shown at most; the manifest has all."""


def describe_size(made: Manifest) -> str:
    """Return in words how much is in a backup."""
    entries = sum(contents.entries for contents in made.folders.values())
    size = sum(contents.bytes for contents in made.folders.values())
    words = {
        "rows": sum(made.rows.values()),
        "folders": len(made.folders),
        "entries": entries,
        "size": _size(size),
    }
    return (
        _(
            "%(rows)d database rows; %(folders)d folders of people and projects with "
            "%(entries)d files and folders, %(size)s"
        )
        % words
    )


def describe_omissions(made: Manifest, kind: str) -> Iterator[str]:
    """Yield a line for each group of things that are ``left_out`` of a backup or ``missing``."""
    for number, (folder, each) in enumerate(made.omissions(kind)):
        if number == MAX_LINES:
            yield _("… and more: the manifest lists them all.")
            return
        yield _line(folder, each, kind)


def _line(folder: str, each: dict[str, Any], kind: str) -> str:
    names = [ascii(f"{folder}/{name}" if folder and name else name or folder)[1:-1]
             for name in each["names"]]  # fmt: skip
    more = each["count"] - len(names)
    if more > 0:
        names.append(ngettext("%(count)d more", "%(count)d more", more) % {"count": more})
    words = {"why": each["why"], "names": ", ".join(names) or folder}
    text = _("Left out, %(why)s: %(names)s") if kind == "left_out" else _("%(why)s: %(names)s")
    return text % words


def _size(amount: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.3g} {unit}"
        amount /= 1000
    return f"{amount:.3g} TB"


FILE = "manifest.json"
FORMAT = 2
_OLD = 1


@dataclass(frozen=True)
class Manifest:
    """The contents of a backup.

    ``database`` is the kind (sqlite, postgresql), ``migrations`` are those applied to it as
    ``app.name``, ``rows`` has the number of rows per table. ``files`` has the SHA-256 of each file
    by name, ``folders`` the contents of each archive by name. ``made`` is in ISO format.

    ``uids`` records the uids under which people's folders are stored
    (`sessions.backends.local.owners`), so that they are known on a machine that assigns others.

    ``left_out`` lists what is absent on purpose, ``missing`` what is absent otherwise.
    """

    version: str
    made: str
    database: str
    migrations: list[str]
    files: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT
    installation: str = ""
    rows: dict[str, int] = field(default_factory=dict)
    folders: dict[str, Contents] = field(default_factory=dict)
    uids: dict[str, list[int]] = field(default_factory=dict)
    left_out: list[dict[str, Any]] = field(default_factory=list)
    missing: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_old(self) -> bool:
        """Return whether the backup has the format of an earlier version."""
        return self.format == _OLD

    @property
    def is_complete(self) -> bool:
        """Return whether the backup has everything that it should."""
        return not self.missing and not any(each.missing for each in self.folders.values())

    def omissions(self, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield what is ``left_out`` or ``missing``, with the folder that contains the names."""
        yield from (("", each) for each in getattr(self, kind))
        for archive, contents in self.folders.items():
            yield from ((folder_of(archive), each) for each in getattr(contents, kind))


def archive_of(folder: str, name: str) -> str:
    """Return the name of the archive of a person's or project's folder."""
    return f"{folder}/{name}.tar"


def folder_of(archive: str) -> str:
    """Return the folder of an archive, as ``homes/ada``."""
    return archive.removesuffix(".tar")


def write(folder: Path, manifest: Manifest) -> None:
    """Write the manifest and flush it to disk."""
    with (folder / FILE).open("w") as file:
        file.write(json.dumps(asdict(manifest), indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())


def read(folder: Path) -> Manifest:
    """Return the manifest in ``folder``. Raises `BackupError` if there is none that can be read."""
    try:
        fields = json.loads((folder / FILE).read_text())
        if fields["format"] not in {_OLD, FORMAT}:
            raise BackupError(
                _("This backup was made by a newer version. Restore it with that version.")
            )
        folders = fields.pop("folders", {})
        made = Manifest(
            **fields, folders={name: Contents(**each) for name, each in folders.items()}
        )
        for name in made.files:
            _refuse_outside(name)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        text = _("%(folder)s is not a complete backup: its %(file)s cannot be read (%(why)s).")
        words = {"folder": folder, "file": FILE, "why": error}
        raise BackupError(text % words) from error
    return made


def digests(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Return the SHA-256 of these files; each is flushed to disk first."""
    return {name: _digest(folder / name, sync=True) for name in names}


def verify(folder: Path, manifest: Manifest) -> None:
    """Raise `BackupError` unless every file is as it was when the backup was made."""
    for name, digest in manifest.files.items():
        path = folder / name
        if not path.is_file() or _digest(path) != digest:
            text = _(
                "%(path)s is missing or has changed since the backup was made. Use another "
                "copy of this backup, or another backup. Nothing was changed."
            )
            raise BackupError(text % {"path": path})


def _digest(path: Path, *, sync: bool = False) -> str:
    with path.open("rb") as file:
        if sync:
            os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def _refuse_outside(name: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(name)
