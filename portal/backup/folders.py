"""Unpack and list the folders of people and projects.

People's and projects' folders out of a backup: unpacked, looked at, and put in their place.

What is directly below ``homes`` and ``projects``: a folder for each person and each project.

Either may be a link or a mount point, as may each folder in it: what is on another disk is
somebody's all the same. Nobody but operator and portal can make or replace anything at this
level.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from django.conf import settings
from django.utils.translation import gettext as _

from portal.backup.programs import BackupError
from portal.backup.survey import LOST, Names
from portal.models import User
from sessions.backends.local import owners as uids
from sessions.models import Project, Session
from sessions.names import owner_slug

from . import archives, swap
from .manifest import Manifest, folder_of
from .swap import GROWING


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
            swap.remove(folder)


def unpack(source: Path, made: Manifest, result: Unpacked) -> None:
    """Unpack everything beside where it is to go. Raises `BackupError` where there is no room."""
    for name in FOLDERS:
        top = settings.PORTAL_DATA / name
        archived = [each for each in made.folders if str(PurePosixPath(each).parent) == name]
        if not archived and f"{name}.tar" not in made.files:
            continue
        if top_folder(name) is None:
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
    if swap.is_elsewhere(target):
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
        swap.remove(growing)
        growing.mkdir(mode=0o700)
        result.growing.append(growing)
    return growing


FOLDERS = ("homes", "projects", "set-aside/projects", "projects/.set-aside")
"""Whose folders are packed; the latter two have projects that no row asked for. Environments are
built again, and what runs is not in any file."""
FILES = (f"homes/{uids.FILE}",)
"""What the portal notes beside them, and they are of no use without."""
HIDDEN = "hidden, or being removed"
NO_FOLDER = "no folder of a person or project"
LEADS_NOWHERE = "links that lead nowhere: is their disk mounted?"
ABSENT = "people or projects that ran and have no folder"


def top_folder(name: str) -> Path | None:
    """Return this folder of the data folder; None where there is none.

    Raises `BackupError` where it is a link that leads to none.
    """
    folder = settings.PORTAL_DATA / name
    if folder.is_dir():
        return Path(folder)
    if folder.is_symlink():
        text = _(
            "%(folder)s leads to %(target)s, where no folder is. Mount its disk, and try again."
        )
        raise BackupError(text % {"folder": folder, "target": folder.readlink()})
    return None


def children(folder: Path, name: str, left_out: Names, missing: Names) -> list[Path]:
    """Return the folders to pack, in the order of their names; note what is none."""
    found = []
    for path in sorted(folder.iterdir()):
        if f"{name}/{path.name}" in FOLDERS or path.name == uids.FILE:  # that is in the manifest
            continue
        if path.name.startswith("."):
            left_out.add(HIDDEN, f"{name}/{path.name}")
        elif path.name == LOST:
            left_out.add(NO_FOLDER, f"{name}/{path.name}")
        elif path.is_dir():
            found.append(path)
        elif path.is_symlink():
            missing.add(LEADS_NOWHERE, f"{name}/{path.name}")
        else:
            left_out.add(NO_FOLDER, f"{name}/{path.name}")
    return found


def note_absent(name: str, found: list[Path], missing: Names) -> None:
    """Note who has no folder although they ran a notebook: it was moved, or its disk is away."""
    if settings.PORTAL_BACKEND != "kubernetes":  # there they are volumes of the cluster
        there = {path.name for path in found}
        for absent in sorted(_ran(name) - there):
            missing.add(ABSENT, f"{name}/{absent}")


def _ran(name: str) -> set[str]:
    """Whose folder there should be, by the database."""
    ran = Session.objects.filter(ready__isnull=False)
    projects = Project.objects.existing().filter(pk__in=ran.values("project"))
    if name == "projects":
        return set(projects.values_list("name", flat=True))
    if name != "homes":
        return set()
    owners = User.objects.filter(pk__in=projects.values("owner"))
    return {owner.volume or owner_slug(owner.username) for owner in owners}
