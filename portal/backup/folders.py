"""List the folders of people and projects for a backup, and unpack them from one.

Directly below ``homes`` and ``projects`` is a folder for each person and each project. These two
may be links or mount points, as may each folder in them: a folder on another disk belongs to its
person all the same. Only operator and portal can create or replace anything at this level.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from django.conf import settings
from django.utils.translation import gettext as _

from portal.backup.programs import BackupError
from portal.backup.survey import LOST_AND_FOUND, NamesByReason
from portal.models import User
from sessions.backends.local import owners as uids
from sessions.models import Project, Session
from sessions.names import owner_slug

from . import archives, swap
from .manifest import Manifest, folder_of
from .swap import STAGING


@dataclass
class Unpacked:
    """Folders that were unpacked but are not in place yet.

    ``staged`` maps each target to where it was unpacked. ``incomplete`` says by folder name what
    could not be unpacked. ``staging_folders`` are the folders to clean up.
    """

    staged: dict[Path, Path] = field(default_factory=dict)
    incomplete: dict[str, list[str]] = field(default_factory=dict)
    staging_folders: list[Path] = field(default_factory=list)

    def clean_up(self) -> None:
        """Remove what was not put in place."""
        for folder in self.staging_folders:
            swap.remove(folder)


def unpack(source: Path, made: Manifest, result: Unpacked) -> None:
    """Unpack everything beside its target. Raises `BackupError` if there is no room."""
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
    staging = _staging_folder(top / STAGING, result)
    if problem := archives.unpack(archive, staging, strip_components=1):
        result.incomplete[top.name] = [problem]
    for path in staging.iterdir():
        result.staged[top / path.name] = path


def _unpack_one(source: Path, made: Manifest, archive: str, result: Unpacked) -> None:
    folder = folder_of(archive)
    target = settings.PORTAL_DATA / folder
    if swap.is_link_or_mount(target):
        staging = _staging_folder(target / STAGING, result)
    else:
        staging = _staging_folder(target.parent / STAGING, result) / target.name
        staging.mkdir()
    problem = archives.unpack(source / archive, staging)
    result.staged[target] = staging
    other = archives.differences(staging, made.folders[archive])
    if problem or other:
        result.incomplete[folder] = [*other, *([problem] if problem else [])]


def _staging_folder(folder: Path, result: Unpacked) -> Path:
    """Return the folder, emptied when it is first asked for."""
    if folder not in result.staging_folders:
        swap.remove(folder)
        folder.mkdir(mode=0o700)
        result.staging_folders.append(folder)
    return folder


FOLDERS = ("homes", "projects", "set-aside/projects", "projects/.set-aside")
"""Folders whose subfolders are packed; the last two hold projects that no row asked for.

Environments are built again, and running processes are in no file.
"""
FILES = (f"homes/{uids.UIDS_FILE}",)
"""The portal's own notes on the folders; the folders are of no use without them."""
HIDDEN = "hidden, or being removed"
NO_FOLDER = "not the folder of a person or project"
LEADS_NOWHERE = "broken links: is their disk mounted?"
ABSENT = "people or projects whose folder is missing"


def top_folder(name: str) -> Path | None:
    """Return this folder of the data folder; None if there is none.

    Raises `BackupError` if it is a link that leads nowhere.
    """
    folder = settings.PORTAL_DATA / name
    if folder.is_dir():
        return Path(folder)
    if folder.is_symlink():
        text = _(
            "%(folder)s is a link to %(target)s, which is not a folder. Mount its disk and "
            "try again."
        )
        raise BackupError(text % {"folder": folder, "target": folder.readlink()})
    return None


def children(
    folder: Path, name: str, left_out: NamesByReason, missing: NamesByReason
) -> list[Path]:
    """Return the folders to pack, ordered by name; record everything else in the lists."""
    found = []
    for path in sorted(folder.iterdir()):
        if f"{name}/{path.name}" in FOLDERS or path.name == uids.UIDS_FILE:  # packed by itself
            continue
        if path.name.startswith("."):
            left_out.add(HIDDEN, f"{name}/{path.name}")
        elif path.name == LOST_AND_FOUND:
            left_out.add(NO_FOLDER, f"{name}/{path.name}")
        elif path.is_dir():
            found.append(path)
        elif path.is_symlink():
            missing.add(LEADS_NOWHERE, f"{name}/{path.name}")
        else:
            left_out.add(NO_FOLDER, f"{name}/{path.name}")
    return found


def record_absent(name: str, found: list[Path], missing: NamesByReason) -> None:
    """Record those that ran a notebook but have no folder: it was moved, or its disk is missing."""
    if settings.PORTAL_BACKEND != "kubernetes":  # there they are volumes of the cluster
        there = {path.name for path in found}
        for absent in sorted(_expected_folders(name) - there):
            missing.add(ABSENT, f"{name}/{absent}")


def _expected_folders(name: str) -> set[str]:
    """Return the names of folders that should exist according to the database."""
    ran = Session.objects.filter(ready__isnull=False)
    projects = Project.objects.existing().filter(pk__in=ran.values("project"))
    if name == "projects":
        return set(projects.values_list("name", flat=True))
    if name != "homes":
        return set()
    owners = User.objects.filter(pk__in=projects.values("owner"))
    return {owner.volume or owner_slug(owner.username) for owner in owners}
