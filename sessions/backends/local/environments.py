"""List, measure and remove finished environments.

One that is dropped first gets a hidden name, so that nobody finds half of it, however the removal
ends; its files are deleted when no notebook uses them any more. `orphans` handles those that were
never finished.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import uuid
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from sessions.backends import Image
from sessions.errors import TemporaryError

from . import keeper_processes, removal
from .folders import SERVER, Folders
from .keeper import bases, files, jobs

_DROPPED = ".dropped"
_SECONDS = 20


def read_result(environment: Path) -> dict[str, Any] | None:
    """Return the result that a build has left in an environment's folder.

    None if none is finished there, or if the machine restarted before all of it was on disk.
    """
    try:
        found = json.loads(files.read_own(environment / files.RESULT))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    return None if files.may_be_incomplete(environment) else found


def finished_images(folders: Folders) -> list[Image]:
    """Return the environments that notebooks can use; remains of dropped ones are removed."""
    sweep(folders)
    there = folders.environments.glob(f"[!.]*/{files.RESULT}")
    return [
        Image(path.parent.name) for path in sorted(there) if read_result(path.parent) is not None
    ]


def size(folders: Folders, image: str) -> int | None:
    """Return the bytes that an image's environment adds to the disk, as `disk_usage`.

    Files that it shares with a base are not counted (`keeper.linker`).
    """
    return disk_usage(folders.environment(image), besides=folders.cache.glob("base-*"))


def is_damaged(folders: Folders, image: str) -> bool:
    """Return whether the base of an environment was damaged on the disk; it is set aside then."""
    environment = folders.environment(image)
    base = str((read_result(environment) or {}).get("base", ""))
    if not re.fullmatch(r"base-[\w.-]+", base):  # an older portal did not note it
        return False
    try:
        made = (environment / files.RESULT).stat().st_mtime
        return bases.set_aside_if_damaged(folders.cache / base, made)
    except OSError:  # a disk that cannot be read has problems of its own
        return False


def disk_usage(folder: Path, besides: Iterable[Path] = ()) -> int | None:
    """Return the folder's bytes on disk; None if it does not exist or counting takes too long.

    Files that folders ``besides`` have too, as links, are not counted.
    """
    words = ["du", "--summarize", "--block-size=1", "--", *map(str, besides), str(folder)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        return None
    return None if done.returncode else int(done.stdout.splitlines()[-1].split()[0])


def drop(folders: Folders, image: str) -> None:
    """Make the environment unavailable and remove it. Raises `TemporaryError` if that fails."""
    there = folders.environment(image)
    with suppress(FileNotFoundError):
        os.rename(there, there.with_name(f".{image}.{uuid.uuid4().hex[:8]}{_DROPPED}"))
    sweep(folders)


def sweep(folders: Folders) -> None:
    """Remove dropped environments that no notebook uses any more."""
    dropped = list(folders.environments.glob(f".*{_DROPPED}"))
    used = set(_names_in_use(folders)) if dropped else set()
    for path in dropped:
        if path.name[1:].rsplit(".", 2)[0] not in used:
            _remove(path)


def _remove(path: Path) -> None:
    try:
        removal.drop(path)
    except OSError:
        message = _("The environment %(name)s cannot be removed from the disk right now.")
        raise TemporaryError("local.not-removed", message % {"name": path.name}) from None


def _names_in_use(folders: Folders) -> Iterator[str]:
    """Yield the names that running notebooks' environments had when those were started."""
    for _number, folder in keeper_processes.list_keepers(folders.run, SERVER):
        with suppress(FileNotFoundError, ValueError, KeyError):
            if keeper_processes.is_alive(folder):
                yield Path(json.loads(files.read_own(folder / jobs.FILE))["environment"]).name
