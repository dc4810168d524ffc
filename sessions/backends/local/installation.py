"""Read and write the data folder's installation id, and list what the folder holds."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from sessions.backends import Inventory

from . import keeper_processes, reports
from .folders import BUILD, SERVER, Folders, is_valid_name


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
    _sync(folders.root)
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


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
