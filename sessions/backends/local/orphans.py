"""List what the data folder holds, and deal with what has no row or was left half made.

The folder bears the installation id of the database that it belongs to.

Setting aside and putting back are renames. The new name contains the project's name and the time,
so that an operator looking at the disk, or a database that knows nothing of it, can tell. The
folders are kept beside the projects, or among them if these are on a disk of their own: a rename
cannot leave a disk.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from django.utils.translation import gettext as _

from sessions.backends import Inventory, SetAsideItem
from sessions.errors import StateConflict, TemporaryError

from . import environments, keeper_processes, removal, reports
from .folders import BUILD, SERVER, Folders, is_valid_name
from .keeper import cgroups
from .keeper.files import UNCOMPILED_MARK, UNSYNCED_MARK, may_be_incomplete, sync_all, sync_folder


def read_id(folders: Folders) -> str:
    """Return the id, "" if there is none."""
    with suppress(FileNotFoundError, NotADirectoryError):
        return folders.installation.read_text("utf-8", "replace").strip()
    return ""


def ensure_id(folders: Folders, installation_id: str) -> str:
    """Write the id unless there is one; return the one that counts.

    If two processes come at once, both get the first one's id.
    """
    folders.root.mkdir(parents=True, exist_ok=True)
    draft = folders.root / f".installation-{secrets.token_hex(4)}"
    try:
        _write(draft, installation_id)
        if folders.installation.exists() and not read_id(folders):
            os.replace(draft, folders.installation)  # the disk was full, or the power failed
        else:
            with suppress(FileExistsError):
                os.link(draft, folders.installation)
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(folders.root)
    return read_id(folders)


def inventory(folders: Folders) -> Inventory:
    """Return what is kept there. Raises `OSError` if a folder cannot be read."""
    servers = dict(keeper_processes.list_keepers(folders.run, SERVER))
    names = {reports.project_name(folder) for folder in servers.values()} - {""}
    return Inventory(
        projects=frozenset(names | set(projects(folders))),
        volumes=frozenset(_names(folders.homes)),
        sessions=frozenset(servers),
        builds=frozenset(
            number for number, _folder in keeper_processes.list_keepers(folders.run, BUILD)
        ),
    )


def projects(folders: Folders) -> list[str]:
    """Return the names of all projects that have a folder."""
    return _names(folders.projects)


def _names(folder: Path) -> list[str]:
    """Return the entries that we may have made; none if there is no folder yet."""
    try:
        return sorted(name for name in os.listdir(folder) if is_valid_name(name))
    except FileNotFoundError:
        return []


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    with os.fdopen(descriptor, "w") as file:
        file.write(f"{text}\n")
        file.flush()
        os.fsync(descriptor)


MIN_AGE_SECONDS = 60.0
"""Seconds: the process that creates a folder may be about to lock it for the next attempt."""
_PARTIAL = re.compile(r"\..+\.(\d+)\.partial")
_RENAMED = re.compile(r"\..+-[0-9a-f]{8}")
_BASE_DRAFT = re.compile(rf"\.{BUILD}-(\d+)")


def sweep(folders: Folders, *, min_age: float = MIN_AGE_SECONDS) -> list[str]:
    """Remove leftovers of dead builds and return their names.

    Also removes projects that were renamed for removal, syncs what was finished since the last
    call, and drops environments that were not synced when the machine went down.
    """
    _sync_finished(folders)
    found = [*_dead_build_folders(folders, min_age), *_renamed_projects(folders)]
    for path in found:
        removal.drop(path)
    doubtful = [path.name for path in folders.environments.glob("[!.]*") if may_be_incomplete(path)]
    for name in doubtful:
        environments.drop(folders, name)
    removal.start_removal(folders.all_untrusted())
    working = {*keeper_processes.running_folders(folders.run), folders.base_keeper.name}
    cgroups.sweep(folders.run, working)
    return [*(path.name for path in found), *doubtful]


def _sync_finished(folders: Folders) -> None:
    """Sync what builds did not wait for; if that fails, the next call does it."""
    for there, pattern in ((folders.environments, "[!.]*"), (folders.cache, "base-*")):
        marked = [path.parent for path in there.glob(f"{pattern}/{UNSYNCED_MARK}")]
        written = [each for each in marked if not (each / UNCOMPILED_MARK).exists()]
        with suppress(OSError):
            sync_all(there, [each for each in written if not may_be_incomplete(each)])


def _renamed_projects(folders: Folders) -> Iterator[Path]:
    """Yield projects' folders that an older portal renamed to remove them.

    Anything else hidden beside them is somebody's: a restore keeps there what was on the disk
    before.
    """
    return (path for path in folders.projects.glob(".*") if _RENAMED.fullmatch(path.name))


def _dead_build_folders(folders: Folders, young: float) -> Iterator[Path]:
    """Yield environments and bases that were being made when their build's keeper ended."""
    for home, pattern in ((folders.environments, _PARTIAL), (folders.cache, _BASE_DRAFT)):
        for path in home.glob(".*"):
            name = pattern.fullmatch(path.name)
            if name and _is_old(path, young) and not _is_build_alive(folders, int(name[1])):
                yield path


def _is_build_alive(folders: Folders, build: int) -> bool:
    return keeper_processes.is_alive(folders.keeper(BUILD, build))


def _is_old(path: Path, young: float) -> bool:
    try:
        return time.time() - path.stat().st_mtime >= young
    except FileNotFoundError:
        return False


_ITEM_ID = re.compile(r"(?P<name>.+)\.\d{8}T\d{6}Z-[0-9a-f]{6}")
_SECONDS = 20


def set_aside(folders: Folders, name: str) -> None:
    """Move a project's folder to where nothing uses it. Does nothing if it does not exist."""
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    for place in _set_aside_folders(folders):
        try:
            _make(place)
            os.rename(folders.project(name), place / f"{name}.{stamp}")
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.EXDEV or place == folders.set_aside_beside_projects:
                raise
        else:
            return


def set_aside_items(folders: Folders) -> list[SetAsideItem]:
    """Return all that was set aside, by name."""
    return sorted(
        (SetAsideItem(path.name, found["name"]) for path, found in _find_all(folders)),
        key=lambda each: each.id,
    )


def set_aside_size(folders: Folders, item_id: str) -> int | None:
    """Return its bytes on disk; None if it does not exist or counting takes too long."""
    path = _find(folders, item_id)
    if path is None:
        return None
    words = ["du", "--summarize", "--block-size=1", "--", str(path)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        return None
    return None if done.returncode else int(done.stdout.split()[0])


def put_back(folders: Folders, item_id: str) -> None:
    """Give the folder its name again. Raises `StateConflict` if the project has a folder."""
    path = _find(folders, item_id)
    if path is None:
        return
    name = _ITEM_ID.fullmatch(item_id)
    target = folders.project(name["name"]) if name else folders.project(item_id)
    if os.path.lexists(target):
        message = _("The project %(name)s now has a folder. Move that away first.")
        raise StateConflict("aside.taken", message % {"name": target.name})
    os.rename(path, target)


def remove_set_aside(folders: Folders, item_id: str) -> None:
    """Remove it. Raises `TemporaryError` if the disk refuses."""
    path = _find(folders, item_id)
    if path is None:
        return
    try:
        removal.drop(path)
    except OSError:
        message = _("%(name)s cannot be removed from the disk right now.")
        raise TemporaryError("local.not-removed", message % {"name": item_id}) from None


def _set_aside_folders(folders: Folders) -> tuple[Path, Path]:
    return folders.set_aside, folders.set_aside_beside_projects


def _make(place: Path) -> None:
    place.mkdir(mode=0o700, parents=True, exist_ok=True)


def _find_all(folders: Folders) -> Iterator[tuple[Path, re.Match[str]]]:
    for place in _set_aside_folders(folders):
        with suppress(FileNotFoundError):
            for name in os.listdir(place):
                if found := _ITEM_ID.fullmatch(name):
                    yield place / name, found


def _find(folders: Folders, item_id: str) -> Path | None:
    """Return where it is; no name leads out of these places."""
    return next((path for path, _found in _find_all(folders) if path.name == item_id), None)
