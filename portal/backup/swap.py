"""Grow folders under another name and move them into place.

`draft` makes a backup: the folder grows under another name and appears once it is complete. A lock
on a file in it says that somebody works on it. A killed program's folder has no lock, and the next
backup in the same place removes it.

`move` and `move_into_place` serve a restore. Unpacked files grow in ``.restoring`` inside the
target folder, so on the same disk, and everything takes its place by renaming. What was there goes
to ``before-restore-<time>`` in the data folder, or, if it is on another disk, to
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

from portal.lib.datafolder import sync

from .programs import BackupError, run, run_unchecked
from .survey import LOST_AND_FOUND

_LOCK = ".lock"
_SUFFIX = ".partial"


class AlreadyInProgress(Exception):
    """Raised if another program is making this folder."""


@contextmanager
def draft(target: Path) -> Iterator[Path]:
    """Yield a new folder that becomes ``target`` after the block, or vanishes if the block fails.

    Raises `AlreadyInProgress` if another program is making the same one.
    """
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _remove_abandoned(target.parent)
    staging = target.with_name(f".{target.name}{_SUFFIX}")
    try:
        staging.mkdir(mode=0o700)
    except FileExistsError:
        raise AlreadyInProgress from None
    try:
        with _locked(staging):
            yield staging
            (staging / _LOCK).unlink()
            sync(staging)
            staging.rename(target)
            sync(target.parent)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / _LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


def _remove_abandoned(place: Path) -> None:
    for lock in place.glob(f".*{_SUFFIX}/{_LOCK}"):
        with suppress(OSError), _locked(left := lock.parent):  # nobody else holds it
            shutil.rmtree(left, ignore_errors=True)


STAGING = ".restoring"
ASIDE_PREFIX = "before-restore-"
_OTHER_DISK = (errno.EXDEV, errno.EBUSY)


def must_be_moved(path: Path) -> bool:
    """Return whether a path must be moved away.

    The file system's own folder and those of this and earlier restores stay.
    """
    return path.name not in {LOST_AND_FOUND, STAGING} and not path.name.startswith(
        (ASIDE_PREFIX, f".{ASIDE_PREFIX}")
    )


def is_link_or_mount(path: Path) -> bool:
    """Return whether a folder is a link or mount point, which an operator put there."""
    return path.is_dir() and (path.is_symlink() or os.path.ismount(path))


def move(path: Path, places: Iterable[Path], name: str) -> Path:
    """Move a path into the first of ``places`` that is on its disk, and return that place.

    If the path is a link or mount point, its contents go to ``.<name>`` inside it. Raises
    `BackupError` if something is mounted in it.
    """
    if is_link_or_mount(path):
        return move_contents(path, name)
    for place in places:
        try:
            _move_into(path, place)
        except OSError as error:
            if error.errno not in _OTHER_DISK:
                raise
        else:
            return place
    text = _("%(path)s cannot be moved away: something is mounted in it. Unmount that first.")
    raise BackupError(text % {"path": path})


def move_contents(folder: Path, name: str) -> Path:
    """Move everything in a folder to ``.<name>`` inside it, and return that folder.

    Raises `BackupError` as `move` does.
    """
    place = folder / f".{name}"
    for path in sorted(folder.iterdir()):
        if must_be_moved(path):
            move(path, [place], name)
    return place


def move_into_place(unpacked: Path, target: Path) -> None:
    """Put what was ``unpacked`` at ``target``, whose old contents are out of the way.

    Raises `OSError`, or `BackupError` if it has to be copied to another disk and that fails.
    """
    if not os.path.lexists(target):
        _force_rename(unpacked, target)
        return
    for path in sorted(unpacked.iterdir()):
        try:
            _force_rename(path, target / path.name)
        except OSError as error:
            if error.errno not in _OTHER_DISK:
                raise
            run(["cp", "--archive", "--no-target-directory", "--", path, target / path.name])


def remove(folder: Path) -> None:
    """Remove unpacked files that are not needed, even if their owner may not change them."""
    if os.path.lexists(folder) and run_unchecked(["rm", "-rf", "--", folder]).code:
        run_unchecked(["chmod", "-R", "u+rwX", "--", folder])
        run(["rm", "-rf", "--", folder])


def _force_rename(path: Path, target: Path) -> None:
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


def _move_into(path: Path, place: Path) -> None:
    """Move a path into a place under its name, or under another if an earlier try left that one."""
    made = not place.exists()
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    target, number = place / path.name, 1
    while os.path.lexists(target):
        number += 1
        target = place / f"{path.name}~{number}"
    try:
        _force_rename(path, target)
    except OSError:
        if made:
            place.rmdir()
        raise
