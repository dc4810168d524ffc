"""Read a folder that belongs to somebody else, without being led out of it.

`archives` checks an archive against this, so it shares nothing with ``tar``. People go on working
meanwhile and may put a link where a folder was: a folder or file that is opened must be the one
that was seen in its parent. Names are as the file system has them (``os.fsdecode``).
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

MAX_PATH_BYTES = 3900
"""Paths of this many bytes or more are not kept: they could not be restored by name."""
LOST_AND_FOUND = "lost+found"
"""The file system's own folder at the top of a disk, which only root reads."""
MAX_NAMES = 20
"""How many names of each kind are listed; all are counted."""
SOCKET = "sockets, which are of use only to a running program"
TOO_LONG = f"paths of {MAX_PATH_BYTES} bytes or more, which programs cannot open by name"

_KINDS = {
    stat.S_IFDIR: "folder", stat.S_IFREG: "file", stat.S_IFLNK: "link", stat.S_IFIFO: "fifo",
    stat.S_IFCHR: "device", stat.S_IFBLK: "device",
}  # fmt: skip
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class FileState(NamedTuple):
    """The state of a file or folder.

    Any change of a file changes its fact; only replacing a folder changes the folder's.
    ``device_inode`` is device and inode in one number. ``changed_ns`` is the time of the last
    change in nanoseconds, which nobody can set.
    """

    kind: str
    size: int
    device_inode: int
    changed_ns: int
    is_linked: bool


class NamesByReason:
    """A bounded list of names by reason: the first `MAX_NAMES` of each, and their number."""

    def __init__(self) -> None:
        self._named: dict[str, list[str]] = {}
        self._counted: dict[str, int] = {}

    def add(self, reason: str, name: str) -> None:
        """Count a name under a reason, and keep it if it is one of the first."""
        self._counted[reason] = self._counted.get(reason, 0) + 1
        names = self._named.setdefault(reason, [])
        if len(names) < MAX_NAMES:
            names.append(name)

    def __bool__(self) -> bool:
        return bool(self._counted)

    def as_list(self) -> list[dict[str, object]]:
        """Return the list for the manifest: ``why``, ``count`` and some of the ``names``."""
        return [
            {"why": why, "count": count, "names": self._named[why]}
            for why, count in self._counted.items()
        ]


@dataclass
class Survey:
    """The contents of a folder.

    ``files`` has everything that can be kept, by path below the folder. ``left_out`` is what is
    never kept, ``unread`` what could not be read.
    """

    files: dict[str, FileState] = field(default_factory=dict)
    left_out: NamesByReason = field(default_factory=NamesByReason)
    unread: NamesByReason = field(default_factory=NamesByReason)

    @property
    def totals(self) -> tuple[int, int]:
        """Return the number of entries, and the bytes of the files, each counted once."""
        total, seen = 0, set()
        for state in self.files.values():
            if state.kind == "file" and state.device_inode not in seen:
                total += state.size
                if state.is_linked:
                    seen.add(state.device_inode)
        return len(self.files), total


def is_lost_and_found(path: Path) -> bool:
    """Return whether this is the file system's own `LOST_AND_FOUND`, not one that a person made."""
    try:
        return (
            path.name == LOST_AND_FOUND
            and os.path.ismount(path.parent)
            and path.lstat().st_uid == 0
        )
    except OSError:
        return False


def survey(folder: Path) -> Survey:
    """Read what is in ``folder``, which may be a link. Raises `OSError` if it is not a folder."""
    found = Survey()
    found.files.update(walk(folder, found))
    return found


def walk(folder: Path, found: Survey) -> Iterator[tuple[str, FileState]]:
    """Yield what can be kept, and record in ``found`` what cannot. Raises like `survey`."""
    without = LOST_AND_FOUND if is_lost_and_found(folder / LOST_AND_FOUND) else None
    top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        todo = [("", _file_state(os.fstat(top)))]
        while todo:
            for path, state in _children(top, *todo.pop(), found):
                if path != without:
                    if state.kind == "folder":
                        todo.append((path, state))
                    yield path, state
    finally:
        os.close(top)


def digest(folder: Path, path: str, expected: FileState) -> str | None:
    """Return the SHA-256 of the file at ``path`` below ``folder``, in hex.

    Returns None if the file is not ``expected``, changes meanwhile or cannot be read.
    """
    top = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with os.fdopen(os.open(path, _FILE, dir_fd=top), "rb") as file:
            if _file_state(os.fstat(file.fileno())) != expected:
                return None
            made = hashlib.file_digest(file, "sha256").hexdigest()
            return made if _file_state(os.fstat(file.fileno())) == expected else None
    except OSError:
        return None
    finally:
        os.close(top)


def _children(
    top: int, path: str, state: FileState, found: Survey
) -> Iterator[tuple[str, FileState]]:
    """Yield what is in one folder. A folder that is gone or was replaced counts as empty."""
    try:
        opened = os.open(path or ".", _FOLDER, dir_fd=top)
    except FileNotFoundError:
        return
    except OSError as error:
        if _is_there(top, path, state):
            found.unread.add(error.strerror or str(error), path)
        return
    try:
        if _file_state(os.fstat(opened)).device_inode == state.device_inode:
            with os.scandir(opened) as entries:
                for entry in entries:
                    yield from _entry_state(
                        entry, f"{path}/{entry.name}" if path else entry.name, found
                    )
    except OSError as error:
        found.unread.add(error.strerror or str(error), path)
    finally:
        os.close(opened)


def _entry_state(
    entry: os.DirEntry[str], path: str, found: Survey
) -> Iterator[tuple[str, FileState]]:
    try:
        seen = entry.stat(follow_symlinks=False)
    except FileNotFoundError:
        return
    except OSError as error:
        found.unread.add(error.strerror or str(error), path)
        return
    if len(os.fsencode(path)) + 2 >= MAX_PATH_BYTES:  # ``tar`` puts ./ before it
        found.left_out.add(TOO_LONG, path)
    elif stat.S_IFMT(seen.st_mode) not in _KINDS:
        found.left_out.add(SOCKET, path)
    else:
        yield path, _file_state(seen)


def _file_state(seen: os.stat_result) -> FileState:
    kind = _KINDS.get(stat.S_IFMT(seen.st_mode), "socket")
    place = seen.st_dev << 64 | seen.st_ino
    if kind == "folder":
        return FileState(kind, 0, place, 0, is_linked=False)
    return FileState(kind, seen.st_size, place, seen.st_ctime_ns, is_linked=seen.st_nlink > 1)


def _is_there(top: int, path: str, state: FileState) -> bool:
    """Return whether the same folder is still there; if not, somebody has moved it meanwhile."""
    try:
        return (
            _file_state(os.stat(path or ".", dir_fd=top, follow_symlinks=False)).device_inode
            == state.device_inode
        )
    except OSError:
        return False
