"""Grow folders under another name and move them into place.

`draft` makes a backup: the folder grows under another name and appears once it is complete. A lock
on a file in it says that somebody works on it. A killed program's folder has no lock, and the next
backup in the same place removes it.

`move` and `put` serve a restore. Unpacked files grow in ``.restoring`` inside the target folder, so
on the same disk, and everything takes its place by renaming. What was there goes to
``before-restore-<time>`` in the data folder, or, if it is on another disk, to
``.before-restore-<time>`` in its own folder. A person's folder that is a link or a mount point
stays one: only its contents are moved and replaced.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from django.utils.translation import gettext as _

from .programs import BackupError, ended, run
from .survey import LOST

_LOCK = ".lock"
_ENDS = ".partial"


class Taken(Exception):
    """Raised if another program is making this folder."""


@contextmanager
def draft(target: Path) -> Iterator[Path]:
    """Yield a new folder that becomes ``target`` after the block, or vanishes if the block fails.

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
    """Flush the names in a folder to disk."""
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
        with suppress(OSError), _locked(left := lock.parent):  # nobody else holds it
            shutil.rmtree(left, ignore_errors=True)


GROWING = ".restoring"
NAME = "before-restore-"
_OTHER_DISK = (errno.EXDEV, errno.EBUSY)


def stands_in_the_way(path: Path) -> bool:
    """Return whether a path must be moved away.

    The file system's own folder and those of this and earlier restores stay.
    """
    return path.name not in {LOST, GROWING} and not path.name.startswith((NAME, f".{NAME}"))


def is_elsewhere(path: Path) -> bool:
    """Return whether a folder is a link or mount point, which an operator put there."""
    return path.is_dir() and (path.is_symlink() or os.path.ismount(path))


def move(path: Path, places: Iterable[Path], name: str) -> Path:
    """Move a path into the first of ``places`` that is on its disk, and return that place.

    If the path is a link or mount point, its contents go to ``.<name>`` inside it. Raises
    `BackupError` if something is mounted in it.
    """
    if is_elsewhere(path):
        return empty(path, name)
    for place in places:
        try:
            _rename(path, place)
        except OSError as error:
            if error.errno not in _OTHER_DISK:
                raise
        else:
            return place
    text = _("%(path)s cannot be moved away: something is mounted in it. Unmount that first.")
    raise BackupError(text % {"path": path})


def empty(folder: Path, name: str) -> Path:
    """Move everything in a folder to ``.<name>`` inside it, and return that."""
    place = folder / f".{name}"
    for path in sorted(folder.iterdir()):
        if stands_in_the_way(path):
            move(path, [place], name)
    return place


def put(grown: Path, target: Path) -> None:
    """Put what was unpacked into ``grown`` at ``target``, whose old contents are out of the way."""
    if not os.path.lexists(target):
        _exchange(grown, target)
        return
    for path in sorted(grown.iterdir()):
        try:
            _exchange(path, target / path.name)
        except OSError as error:
            if error.errno not in _OTHER_DISK:
                raise
            run(["cp", "--archive", "--no-target-directory", "--", path, target / path.name])


def remove(folder: Path) -> None:
    """Remove unpacked files that are not needed, even if their owner may not change them."""
    if os.path.lexists(folder) and ended(["rm", "-rf", "--", folder]).code:
        ended(["chmod", "-R", "u+rwX", "--", folder])
        run(["rm", "-rf", "--", folder])


def _exchange(path: Path, target: Path) -> None:
    """Rename a path, even a folder of ours without write permission: it stores its own ``..``."""
    try:
        path.rename(target)
    except PermissionError:
        mode = path.lstat().st_mode
        if not stat.S_ISDIR(mode):
            raise
        path.chmod(mode | stat.S_IRWXU)
        try:
            path.rename(target)
        except OSError:
            path.chmod(mode)
            raise
        target.chmod(mode)


def _rename(path: Path, place: Path) -> None:
    """Move a path into a place under its name, or under another if an earlier try left that one."""
    made = not place.exists()
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    target, number = place / path.name, 1
    while os.path.lexists(target):
        number += 1
        target = place / f"{path.name}~{number}"
    try:
        _exchange(path, target)
    except OSError:
        if made:
            place.rmdir()
        raise
