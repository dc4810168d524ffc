"""Folders of many files that are used before all of them are on the disk.

To wait for the disk would make each build seconds longer. So a folder that is finished has a mark
that names this start of the machine, until it is synced: where the machine was started anew
meanwhile, a power cut may have taken of it, and it counts as not finished.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from pathlib import Path

RESULT = "result.json"
"""The file of a finished environment that says what it is; written before it has its name."""
MARK = ".unsynced"


def mark(folder: Path) -> None:
    """Note in a folder that it is not on the disk yet."""
    (folder / MARK).write_text(_boot())


def is_in_doubt(folder: Path) -> bool:
    """Whether the machine was started anew before the folder was on its disk."""
    try:
        return (folder / MARK).read_text() != _boot()
    except FileNotFoundError:
        return False


def sync_all(top: Path, folders: Iterable[Path]) -> None:
    """Have folders in ``top`` on the disk, and take their marks away. Raises `OSError`: then these
    stay."""
    marked = list(folders)
    if marked:
        sync(top)
    for folder in marked:
        (folder / MARK).unlink(missing_ok=True)


def sync(folder: Path) -> None:
    """Have the whole file system of a folder on the disk. Raises `OSError`."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        os.close(descriptor)


def _boot() -> str:
    """Return a name of this start of the machine; "" where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
