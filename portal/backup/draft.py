"""A folder that grows under another name, and appears once it is whole.

A lock on a file in it says that somebody works on it; what a killed program left has none, and is
removed by the next one that makes a backup in the same place.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_LOCK = ".lock"
_ENDS = ".partial"


class Taken(Exception):
    """Another program is making this folder."""


@contextmanager
def draft(target: Path) -> Iterator[Path]:
    """Yield a new folder that is ``target`` after the block, or nothing if the block fails.

    Raises `Taken` if another program is making the same one.
    """
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _sweep(target.parent)
    growing = target.with_name(f".{target.name}{_ENDS}")
    try:
        growing.mkdir(mode=0o700)
    except FileExistsError:
        raise Taken from None
    try:
        with _locked(growing):
            yield growing
            (growing / _LOCK).unlink()
            sync(growing)
            growing.rename(target)
            sync(target.parent)
    finally:
        shutil.rmtree(growing, ignore_errors=True)


def sync(folder: Path) -> None:
    """Have the names in a folder be on its disk."""
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / _LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _sweep(place: Path) -> None:
    for lock in place.glob(f".*{_ENDS}/{_LOCK}"):
        with suppress(OSError), _locked(left := lock.parent):  # nobody else's now
            shutil.rmtree(left, ignore_errors=True)
