"""What a keeper that was killed leaves half made, and nobody works on any more."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from . import environments, going, launch
from .folders import BUILD, Folders
from .keeper import cgroups
from .keeper.unsynced import MARK, is_in_doubt, sync_all

YOUNG = 60.0
"""Seconds: who makes a folder may be about to take the lock of the next try."""
_PARTIAL = re.compile(r"\..+\.(\d+)\.partial")
_RENAMED = re.compile(r"\..+-[0-9a-f]{8}")
_DRAFT = re.compile(rf"\.{BUILD}-(\d+)")


def sweep(folders: Folders, *, young: float = YOUNG) -> list[str]:
    """Remove it; the names of what there was. Projects that were renamed away go as well, and what
    was finished since the last time is synced; what was not when the machine went down goes."""
    _sync_finished(folders)
    found = [*_of_dead_builds(folders, young), *_renamed(folders)]
    for path in found:
        going.drop(path)
    doubtful = [path.name for path in folders.environments.glob("[!.]*") if is_in_doubt(path)]
    for name in doubtful:
        environments.drop(folders, name)
    going.go_on(folders.all_with_strangers_files())
    cgroups.sweep(folders.run, set(launch.living(folders.run)))
    return [*(path.name for path in found), *doubtful]


def _sync_finished(folders: Folders) -> None:
    """Have on the disk what builds did not wait for; where that fails, the next time does it."""
    for there, pattern in ((folders.environments, "[!.]*"), (folders.cache, "base-*")):
        marked = [path.parent for path in there.glob(f"{pattern}/{MARK}")]
        with suppress(OSError):
            sync_all(there, [each for each in marked if not is_in_doubt(each)])


def _renamed(folders: Folders) -> Iterator[Path]:
    """Yield projects' folders that an older portal renamed to remove them. What else is hidden
    beside them is somebody's: a restore keeps there what was on that disk before."""
    return (path for path in folders.projects.glob(".*") if _RENAMED.fullmatch(path.name))


def _of_dead_builds(folders: Folders, young: float) -> Iterator[Path]:
    """Environments and bases that were growing when their build's keeper ended."""
    for home, pattern in ((folders.environments, _PARTIAL), (folders.cache, _DRAFT)):
        for path in home.glob(".*"):
            name = pattern.fullmatch(path.name)
            if name and _is_old(path, young) and not _is_grown(folders, int(name[1])):
                yield path


def _is_grown(folders: Folders, build: int) -> bool:
    return launch.alive(folders.keeper(BUILD, build))


def _is_old(path: Path, young: float) -> bool:
    try:
        return time.time() - path.stat().st_mtime >= young
    except FileNotFoundError:
        return False
