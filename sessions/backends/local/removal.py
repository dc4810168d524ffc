"""Remove folders that nobody needs any more and that may contain anything.

A folder is first renamed into ``.going`` beside it, which takes no time. Small ones are removed on
the spot; the rest is left to a separate process (`keeper.removal`), so that neither watch nor a
worker waits for it, however large it is.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from .folders import Folders
from .keeper import keeper_command
from .keeper.removal import ENTRIES_PER_PAUSE, TRASH, remove_stepwise

_MAX_NAME_LENGTH = 200


def drop(path: Path) -> bool:
    """Make the folder disappear under its name; return whether all of it is removed already.

    Does nothing if it does not exist. Raises `OSError` if its disk refuses: then it stays.
    """
    target = _move_to_trash(path)
    if target is None:
        return True
    for done, _step in enumerate(remove_stepwise(target)):
        if done >= ENTRIES_PER_PAUSE:
            break
    if target.exists():
        start_removal([path.parent])
        return False
    with suppress(OSError):  # it may contain more
        target.parent.rmdir()
    return True


def discard(folders: Folders, folder: int, name: str) -> None:
    """Remove an entry of an open folder of a person's; returns at once, however large it is.

    It is moved to what is being removed, if that is on the same disk. Raises `OSError`.
    """
    place = folders.projects
    if os.fstat(folder).st_dev != place.stat().st_dev:
        place = folders.homes
    (place / TRASH).mkdir(mode=0o700, exist_ok=True)
    target = place / TRASH / f"discarded-{secrets.token_hex(8)}"
    try:
        os.rename(name, target, src_dir_fd=folder)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _remove_there(folder, name)
    else:
        start_removal([place])


def _remove_there(folder: int, name: str) -> None:
    """Remove an entry on a disk that is nothing but a person's own."""
    words = ("rm", "-rf", "--", f"./{name}")
    done = subprocess.run(words, cwd=f"/proc/self/fd/{folder}", pass_fds=[folder])
    if done.returncode:
        raise OSError(errno.EACCES, os.strerror(errno.EACCES), name)


def is_being_removed(place: Path, name: str) -> bool:
    """Return whether something that had this name in ``place`` is not completely removed yet."""
    return any(
        re.fullmatch(rf"{re.escape(name)}-[0-9a-f]{{8}}", each) for each in _trash_entries(place)
    )


def start_removal(places: Iterable[Path]) -> None:
    """Start a separate process that removes what is left in ``.going`` of these folders.

    Returns at once. Raises `OSError` or `CalledProcessError` if the process cannot be started.
    """
    busy = [str(place) for place in places if _trash_entries(place)]
    if busy:
        words = [
            "setsid",
            "--fork",
            "ionice",
            "--class",
            "3",
            *keeper_command("removal", *busy),
        ]
        nothing = subprocess.DEVNULL
        subprocess.run(words, stdin=nothing, stdout=nothing, stderr=nothing, check=True)


def _move_to_trash(path: Path) -> Path | None:
    """Move it into ``.going`` and return its path there; None if it is gone.

    Another process may remove ``.going`` at any time, once that is empty.
    """
    target = (
        path.parent / TRASH / f"{path.name.strip('.')[:_MAX_NAME_LENGTH]}-{secrets.token_hex(4)}"
    )
    while os.path.lexists(path):
        with suppress(FileNotFoundError):
            target.parent.mkdir(mode=0o700, exist_ok=True)
            os.rename(path, target)
            return target
    return None


def _trash_entries(place: Path) -> list[str]:
    try:
        return os.listdir(place / TRASH)
    except FileNotFoundError:
        return []
