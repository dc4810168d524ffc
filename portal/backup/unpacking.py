"""People's and projects' folders out of a backup: unpacked, looked at, and put in their place."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from django.conf import settings

from portal.backup import archives, aside, folders
from portal.backup.aside import GROWING
from portal.backup.manifest import Manifest, folder_of


@dataclass
class Unpacked:
    """``grown`` has where each folder is by where it is to go; ``lacking`` says what could not be
    unpacked, by the names of the folders."""

    grown: dict[Path, Path] = field(default_factory=dict)
    lacking: dict[str, list[str]] = field(default_factory=dict)
    growing: list[Path] = field(default_factory=list)

    def drop(self) -> None:
        """Remove what was not put in its place."""
        for folder in self.growing:
            aside.remove(folder)


def unpack(source: Path, made: Manifest, result: Unpacked) -> None:
    """Unpack everything beside where it is to go. Raises `BackupError` where there is no room."""
    for name in folders.FOLDERS:
        top = settings.PORTAL_DATA / name
        archived = [each for each in made.folders if str(PurePosixPath(each).parent) == name]
        if not archived and f"{name}.tar" not in made.files:
            continue
        if folders.top(name) is None:
            top.mkdir(parents=True)
            top.chmod(0o711)
        if made.is_old:
            _unpack_old(source / f"{name}.tar", top, result)
        for archive in archived:
            _unpack_one(source, made, archive, result)


def _unpack_old(archive: Path, top: Path, result: Unpacked) -> None:
    growing = _begin(top / GROWING, result)
    if said := archives.unpack(archive, growing, inner=1):
        result.lacking[top.name] = [said]
    for path in growing.iterdir():
        result.grown[top / path.name] = path


def _unpack_one(source: Path, made: Manifest, archive: str, result: Unpacked) -> None:
    folder = folder_of(archive)
    target = settings.PORTAL_DATA / folder
    if aside.is_elsewhere(target):
        growing = _begin(target / GROWING, result)
    else:
        growing = _begin(target.parent / GROWING, result) / target.name
        growing.mkdir()
    said = archives.unpack(source / archive, growing)
    result.grown[target] = growing
    other = archives.differences(growing, made.folders[archive])
    if said or other:
        result.lacking[folder] = [*other, *([said] if said else [])]


def _begin(growing: Path, result: Unpacked) -> Path:
    """Return the folder, empty when it is asked for first."""
    if growing not in result.growing:
        aside.remove(growing)
        growing.mkdir(mode=0o700)
        result.growing.append(growing)
    return growing
