"""Remove folders made by untrusted code, in pieces and slowly: one process for all data folders.

Callers rename a folder to below ``.going`` beside it (`removal` of the back end), from where nobody
takes it again. A folder is emptied by moving each subfolder to its top, so that neither depth nor
path length matters, and an interrupted removal can continue at any time. Standard library only.
"""

from __future__ import annotations

import fcntl
import os
import stat
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path

TRASH = ".going"
ENTRIES_PER_PAUSE = 500
"""Entries after which it pauses, for as long as they took."""


def main() -> None:
    """Empty ``.going`` of each folder in the arguments; returns when nothing is left.

    One process works in a folder at a time: the one at work sees what is added meanwhile.
    """
    places = [Path(each) for each in sys.argv[3:]]
    os.nice(19)
    while any(_empty_trash(place) for place in places):
        pass


def remove_stepwise(folder: Path) -> Generator[None]:
    """Remove the folder and everything in it, one entry per step.

    Entries that cannot be removed stay, and links are not followed.
    """
    try:
        os.unlink(folder)
    except (IsADirectoryError, PermissionError):
        top = _open_folder(folder)
    except FileNotFoundError:
        return
    else:
        return
    numbers = count()
    try:
        while names := os.listdir(top):
            left = 0
            for name in names:
                left += yield from _remove_entry(top, name, numbers)
            if left == len(names):
                return
        with suppress(OSError):
            os.rmdir(folder)
    finally:
        os.close(top)


def _empty_trash(place: Path) -> bool:
    """Remove what is in ``.going`` there; return whether to look again."""
    trash = place / TRASH
    try:
        lock = os.open(trash, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        names = os.listdir(lock)
        for name in names:
            _run_throttled(remove_stepwise(trash / name))
        after = set(os.listdir(lock))
        with suppress(OSError):
            trash.rmdir()
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return bool(after - set(names))


def _run_throttled(steps: Iterator[None]) -> None:
    began = time.monotonic()
    for done, _step in enumerate(steps, 1):
        if not done % ENTRIES_PER_PAUSE:
            time.sleep(time.monotonic() - began)
            began = time.monotonic()


def _remove_entry(top: int, name: str, numbers: Iterator[int]) -> Generator[None, None, bool]:
    """Remove an entry of the folder ``top``; return whether it stays.

    Its subfolders move up to ``top``.
    """
    try:
        os.unlink(name, dir_fd=top)
    except (IsADirectoryError, PermissionError):
        yield from _empty_folder(top, name, numbers)
    except OSError:
        pass
    yield
    return _is_there(top, name)


def _empty_folder(top: int, name: str, numbers: Iterator[int]) -> Generator[None]:
    with suppress(OSError):
        folder = _open_folder(name, top)
        try:
            for entry in os.listdir(folder):
                with suppress(OSError):
                    if not _is_folder(folder, entry):
                        os.unlink(entry, dir_fd=folder)
                    else:
                        _move_up(folder, entry, top, numbers)
                yield
        finally:
            os.close(folder)
        os.rmdir(name, dir_fd=top)


def _move_up(folder: int, entry: str, top: int, numbers: Iterator[int]) -> None:
    with suppress(OSError):
        os.rmdir(entry, dir_fd=folder)
        return
    _make_accessible(folder, entry)  # a folder can be moved only by someone who may write to it
    target = f"{next(numbers)}-{os.urandom(4).hex()}"
    os.rename(entry, target, src_dir_fd=folder, dst_dir_fd=top)


def _open_folder(name: str | Path, within: int | None = None) -> int:
    """Open a folder, even where a build took away the right to do so."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
    _make_accessible(within, os.fspath(name))
    return os.open(name, flags, dir_fd=within)


def _make_accessible(folder: int | None, name: str) -> None:
    """Restore a permission that a build took away.

    Root has it anyway and changes no mode: the name may have become a link by now, to a file of
    root's.
    """
    if os.geteuid():
        with suppress(OSError):
            os.chmod(name, 0o700, dir_fd=folder)


def _is_folder(folder: int, name: str) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)


def _is_there(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return False
    return True
