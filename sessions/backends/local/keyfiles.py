"""Write the files of a person's SSH key, only in the run folder of each of their notebooks.

They are written outside what the sandbox shows and renamed into place: a notebook sees the old file
or the new one. `keeper.home` has the notebook's side.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from keys.keypairs import SshIdentity

from . import keeper_processes, owners, reports
from .folders import SERVER
from .keeper import home, jobs
from .keeper.files import read_own, remove, write_atomically


def write(folder: Path, uid: int, identity: SshIdentity) -> None:
    """Give these keys to the notebook of this run folder, started or not."""
    there = owners.make_folder(folder / home.KEY_FOLDER, uid, 0o700)
    _write_file(there / home.KNOWN_HOSTS, uid, identity.known_hosts, 0o644)
    _write_file(there / home.PUBLIC, uid, f"{identity.public}\n", 0o644)
    _write_file(there / home.PRIVATE, uid, identity.private, 0o600)


def renew(run: Path, volume: str, identity: SshIdentity) -> None:
    """Give these keys to all notebooks of the person that have not ended."""
    for folder in _run_folders(run, volume):
        if reports.server_report(0, folder).state != "gone":
            write(folder, folder.stat().st_uid, identity)


def forget(run: Path, volume: str) -> None:
    """Remove the keys from the run folders of the person's notebooks that have ended."""
    for folder in _run_folders(run, volume):
        if reports.server_report(0, folder).state == "gone":
            remove(folder / home.KEY_FOLDER)


def _run_folders(run: Path, volume: str) -> Iterator[Path]:
    """Yield the run folders of this volume's owner; people may be renamed while notebooks run."""
    for _number, folder in keeper_processes.list_keepers(run, SERVER):
        if _volume(folder) == volume:
            yield folder


def _volume(folder: Path) -> str:
    try:
        return Path(json.loads(read_own(folder / jobs.FILE))["volume"]).name
    except (FileNotFoundError, ValueError):
        return ""


def _write_file(path: Path, uid: int, text: str, mode: int) -> None:
    owner = uid if os.geteuid() == 0 else None
    write_atomically(path, text, mode, owner, draft_folder=path.parent.parent)
