"""List, read and delete files in folders of a person's, whose content may be a trap.

Each part of a path is opened from the folder above it and no link is followed, so nothing outside
is shown or deleted because of a link. Devices and pipes are never opened. Paths are text: a name
that is not valid UTF-8 is shown, but can only be reached with the folder that it is in.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

MAX_ENTRIES = 5000
"""Entries of one folder that are listed."""
MAX_PATH_LENGTH = 1024
"""Limits what can be named; anything deeper can only be archived, with a folder above it."""
MAX_DEPTH = 200
"""Folders within folders that are archived; each needs an open descriptor."""
FOLDER, FILE, LINK, OTHER = "folder", "file", "link", "other"
MAX_SORTED = 10_000
"""Names of one folder that are held in memory while it is archived."""
_FOLDER_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC

Discard = Callable[[int, str], None]
"""Removes an entry: gets the open folder that it is in, and its name."""
LeftOut = Callable[[str, str], None]
"""Is told what an archive lacks: its path, and why."""


@dataclass(frozen=True)
class Entry:
    """An entry of a folder; ``path`` is None if that is no text, or too long."""

    name: str
    path: str | None
    kind: str
    size: int = 0
    modified: float = 0.0


class Browser:
    """The files below some folders; each path begins with the name of one of these ``places``.

    ``hidden`` are paths of entries right in a place that do not exist for whoever asks.
    Every method raises `OSError`: `FileNotFoundError` for what does not exist, and also for what is
    reached through a link or is neither a file nor a folder.
    """

    def __init__(
        self, places: Mapping[str, str], discard: Discard, hidden: Collection[str] = ()
    ) -> None:
        self._places = places
        self._discard = discard
        self._hidden = frozenset(hidden)

    def kind(self, path: str) -> str:
        """Return `FOLDER` or `FILE`."""
        parts = self._find(path)
        if len(parts) < 2:
            return FOLDER
        folder = self._open_folder(parts[:-1])
        try:
            found = _kind(os.stat(parts[-1], dir_fd=folder, follow_symlinks=False).st_mode)
        finally:
            os.close(folder)
        if found in {FOLDER, FILE}:
            return found
        raise FileNotFoundError(path)

    def entries(self, path: str) -> list[Entry]:
        """Return a folder's entries, folders first; for "", the places. Raises `OSError`.

        `MAX_ENTRIES` of them mean that there may be more.
        """
        parts = self._find(path)
        if not parts:
            mine = (name for name, place in self._places.items() if os.path.isdir(place))
            return [Entry(name, name, FOLDER) for name in mine]
        folder = self._open_folder(parts)
        try:
            with os.scandir(folder) as there:  # which may be millions
                shown = (each.name for each in there if not self._hides([*parts, each.name]))
                names = list(islice(shown, MAX_ENTRIES))
            found = [_entry(folder, name, parts) for name in names]
        finally:
            os.close(folder)
        return sorted(
            (each for each in found if each), key=lambda each: (each.kind != FOLDER, each.name)
        )

    def open(self, path: str) -> BinaryIO:
        """Open a regular file for reading. Raises `FileNotFoundError` or another `OSError`."""
        parts = self._find(path)
        if len(parts) < 2:
            raise FileNotFoundError(path)
        folder = self._open_folder(parts[:-1])
        try:
            return _open_file(folder, parts[-1])
        finally:
            os.close(folder)

    def files(
        self, path: str, left_out: LeftOut = lambda _path, _why: None
    ) -> Iterator[tuple[str, BinaryIO]]:
        """Yield path and open file of everything below a folder, and tell ``left_out`` the rest.

        Each file is closed when the next one is asked for. Paths are relative to the folder. Raises
        `OSError` if the folder itself cannot be read.
        """
        parts = self._find(path)
        folder = self._open_folder(parts)
        yield from _files(folder, "", MAX_DEPTH, left_out, lambda name: self._hides([*parts, name]))

    def delete(self, path: str) -> None:
        """Delete a file, a link, or a folder with everything in it, but not a place itself.

        Raises `OSError`, `PermissionError` for a place.
        """
        parts = self._find(path)
        if len(parts) < 2:
            raise PermissionError(errno.EPERM, "only what is in it can be deleted", path)
        folder = self._open_folder(parts[:-1])
        try:
            os.stat(parts[-1], dir_fd=folder, follow_symlinks=False)
            self._discard(folder, parts[-1])
        finally:
            os.close(folder)

    def _find(self, path: str) -> list[str]:
        parts = _parts(path)
        if self._hides(parts):
            raise FileNotFoundError(path)
        return parts

    def _hides(self, parts: list[str]) -> bool:
        return "/".join(parts[:2]) in self._hidden

    def _open_folder(self, parts: list[str]) -> int:
        if not parts or parts[0] not in self._places:
            raise FileNotFoundError("/".join(parts))
        here = os.open(self._places[parts[0]], _FOLDER_FLAGS & ~os.O_NOFOLLOW)
        for part in parts[1:]:
            try:
                step = os.open(part, _FOLDER_FLAGS, dir_fd=here)
            except NotADirectoryError:  # also a link
                raise FileNotFoundError("/".join(parts)) from None
            finally:
                os.close(here)
            here = step
        return here


def _parts(path: str) -> list[str]:
    """Return the names in a path. Raises `FileNotFoundError` if no file can have them."""
    parts = [part for part in path.split("/") if part]
    if len(path) > MAX_PATH_LENGTH or any(
        part in {".", ".."} or "\0" in part or not _is_text(part) for part in parts
    ):
        raise FileNotFoundError(repr(path))
    return parts


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _entry(folder: int, name: str, parts: list[str]) -> Entry | None:
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:  # it has just disappeared
        return None
    path = "/".join([*parts, name])
    can_be_named = _is_text(name) and len(path) <= MAX_PATH_LENGTH
    return Entry(
        _shown(name),
        path if can_be_named else None,
        _kind(found.st_mode),
        found.st_size,
        found.st_mtime,
    )


def _shown(name: str) -> str:
    return os.fsencode(name).decode("utf-8", "replace")


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: FOLDER, stat.S_IFREG: FILE, stat.S_IFLNK: LINK}
    return kinds.get(stat.S_IFMT(mode), OTHER)


def _open_file(folder: int, name: str) -> BinaryIO:
    try:
        descriptor = os.open(name, _FILE_FLAGS, dir_fd=folder)
    except OSError as error:
        if isinstance(error, PermissionError | FileNotFoundError):
            raise
        raise FileNotFoundError(name) from error  # a link, or a socket
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(name)
    return os.fdopen(descriptor, "rb")


def _names(folder: int) -> Iterator[str]:
    """Yield the names in an open folder, in order unless there are very many."""
    with os.scandir(folder) as there:
        first = sorted(each.name for each in islice(there, MAX_SORTED))
        if len(first) == MAX_SORTED:
            yield from first
            yield from (each.name for each in there)
            return
    yield from first


def _files(
    folder: int,
    prefix: str,
    depth: int,
    left_out: LeftOut,
    hides: Callable[[str], bool] = lambda _name: False,
) -> Iterator[tuple[str, BinaryIO]]:
    """Yield the files of an open folder, which is closed at the end, without what ``hides``."""
    try:
        for name in _names(folder):
            if hides(name):
                continue
            path = f"{prefix}{_shown(name)}"
            try:
                kind = _kind(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
                if kind == FILE:
                    with _open_file(folder, name) as file:
                        yield path, file
                elif kind == FOLDER and depth:
                    below = os.open(name, _FOLDER_FLAGS, dir_fd=folder)
                    yield from _files(below, f"{path}/", depth - 1, left_out)
                else:
                    left_out(path, _why_left_out(kind, folder, name))
            except OSError as error:
                left_out(path, error.strerror or type(error).__name__)
    finally:
        os.close(folder)


def _why_left_out(kind: str, folder: int, name: str) -> str:
    if kind == LINK:
        return f"a link to {_shown(os.readlink(name, dir_fd=folder))}"
    return "too many folders above it" if kind == FOLDER else "neither a file nor a folder"
