"""Put an archive's files into a folder, one by one or out of a ZIP or tar file, and nowhere else.

Names come from strangers. Each is checked before anything is written: nothing leaves the folder,
replaces another file or goes through a link, and the number of files and bytes is bounded.
"""

from __future__ import annotations

import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from typing import IO, Protocol, cast

from sessions.repofiles.gitclone.command import shown

from .failures import ArchiveError, bad_package, too_large

MAX_FILES = 50_000
MAX_PATH_BYTES = 1000
MAX_NAME_BYTES = 255
MAX_RATIO, RATIO_FROM = 1000, 10_000_000
"""A file that unpacks to so many times its size, and at least so many bytes, is a trap."""
_PIECE = 256 * 1024
_NOT_OURS = frozenset({"__MACOSX"})
_ENCRYPTED = 0x1
_UNIX = 3

_LZMA = getattr(zipfile, "lzma", None)  # a Python may lack it
_BAD_DATA = (OSError, *([_LZMA.LZMAError] if _LZMA else []))
"""Errors of bzip2 and LZMA for data that are not theirs."""
ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError,
              ValueError, OverflowError)  # fmt: skip
TAR_ERRORS = (tarfile.TarError, zlib.error, EOFError, RecursionError, ValueError,
              OverflowError)  # fmt: skip


class _Readable(Protocol):
    def read(self, size: int = ..., /) -> bytes: ...


class Tree:
    """The folder that is filled; ``limit`` is the most bytes, ``notes`` what was left out."""

    def __init__(self, root: str, limit: int) -> None:
        self._root, self._limit = root, limit
        self._written = 0
        self._files: set[str] = set()
        self._folders: set[str] = {""}
        self._links: dict[str, str] = {}
        self._left_out = 0

    @property
    def room(self) -> int:
        """Return how many bytes may still be written."""
        return self._limit - self._written

    @property
    def count(self) -> int:
        """Return the number of files."""
        return len(self._files)

    @property
    def notes(self) -> list[str]:
        """Return sentences about what was left out."""
        if not self._left_out:
            return []
        return [f"Left out, because they belong to a Git repository: {self._left_out:,} files."]

    def free_name(self, path: str) -> str:
        """Return the path, or one like it that is not taken."""
        above, name = os.path.split(path)
        stem, ending = os.path.splitext(name)
        number = 1
        while path in self._files or path in self._folders:
            number += 1
            path = os.path.join(above, f"{stem}-{number}{ending}")
        return path

    def put(self, path: str, pieces: Iterable[bytes], *, executable: bool = False) -> None:
        """Write a file. Raises `ArchiveError` for a bad name, and if it is too large."""
        if self._is_left_out(path):
            return
        self._claim(path)
        target = os.path.join(self._root, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with open(os.open(target, flags, 0o755 if executable else 0o644), "wb") as file:
            for piece in pieces:
                self._written += len(piece)
                if self.room < 0:
                    raise too_large(self._limit)
                file.write(piece)

    def link(self, path: str, target: str) -> None:
        """Note a symbolic link, which `finish` makes. Raises `ArchiveError` if it leads outside."""
        if self._is_left_out(path):
            return
        there = os.path.normpath(os.path.join(os.path.dirname(path), target))
        if target.startswith("/") or there == ".." or there.startswith("../"):
            raise _link(path)
        self._claim(path)
        self._links[path] = target

    def finish(self) -> None:
        """Make the links: only now, so that no file was written through one."""
        for path, target in self._links.items():
            os.makedirs(os.path.join(self._root, os.path.dirname(path)), exist_ok=True)
            os.symlink(target, os.path.join(self._root, path))
        if not self._files:
            raise ArchiveError(
                "archive.no-files",
                "The archive has no files here that could be fetched, so there is nothing to "
                "launch. Check the address, or choose another version.",
            )

    def _is_left_out(self, path: str) -> bool:
        """Return whether a file belongs to a Git repository: its settings could run programs."""
        check_name(path)
        if any(part.lower() == ".git" for part in path.split("/")):
            self._left_out += 1
            return True
        return False

    def _claim(self, path: str) -> None:
        parts = path.split("/")
        above = ["/".join(parts[:length]) for length in range(1, len(parts))]
        if path in self._files or path in self._folders or not self._files.isdisjoint(above):
            raise ArchiveError(
                "archive.same-names",
                f"The archive has two files of one name, {shown(path)}, so one would replace the "
                "other. Ask its authors for a new version.",
            )
        self._files.add(path)
        self._folders.update(above)
        if len(self._files) > MAX_FILES:
            raise too_many_files()


def too_many_files() -> ArchiveError:
    """Return the error for an archive with more files than are unpacked."""
    return ArchiveError(
        "archive.too-many-files",
        f"The archive has more than {MAX_FILES:,} files, the limit here. Launch a smaller "
        "repository, and download the files when the notebook runs.",
    )


def _link(path: str) -> ArchiveError:
    return ArchiveError(
        "archive.link",
        f"The archive has a link, {shown(path)}, that may lead out of its folder. Ask its authors "
        "to publish the file itself.",
    )


def check_name(path: str) -> None:
    """Raise `ArchiveError` for a name that leaves the folder, or that no disk can keep."""
    parts = path.split("/")
    if not path or any(part in {"", ".", ".."} for part in parts) or not _is_plain(path):
        raise ArchiveError(
            "archive.name-outside",
            f"The archive has a file with a name that leads out of its folder or that no folder "
            f"can have, “{shown(path)}”. Ask its authors for a new version.",
        )
    encoded = [len(os.fsencode(part)) for part in parts]
    if max(encoded) > MAX_NAME_BYTES or sum(encoded) + len(parts) > MAX_PATH_BYTES:
        raise ArchiveError(
            "archive.name-too-long",
            f"The archive has a file whose name is too long: {shown(path)}. Ask its authors for a "
            "version with shorter names.",
        )


def _is_plain(path: str) -> bool:
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        return False
    return not any(character < " " or character == "\x7f" for character in path)


def unzip(file: IO[bytes] | str, name: str, tree: Tree, below: str | None = None) -> None:
    """Unpack a ZIP file without its one top folder, or only what is ``below`` a folder of it.

    Raises `ArchiveError`.
    """
    try:
        with zipfile.ZipFile(file) as packed:
            for path, member in members(packed, name, tree.room, below):
                executable = member.external_attr >> 16 & 0o100 != 0
                with packed.open(member) as content:
                    tree.put(path, unpacked(content), executable=executable)
    except ZIP_ERRORS as error:
        raise bad_package(name, shown(str(error)) or "it is not a ZIP file") from error


def members(
    packed: zipfile.ZipFile, name: str, limit: int, below: str | None = None
) -> list[tuple[str, zipfile.ZipInfo]]:
    """Return the files of a ZIP file with their paths in the folder.

    Raises `ArchiveError` if it has anything that is not unpacked here.
    """
    found = packed.infolist()
    if len(found) > MAX_FILES:
        raise too_many_files()
    files = [each for each in found if not each.is_dir()]
    for member in files:
        _check_member(member, name)
    size = sum(member.file_size for member in files)
    if size > max(RATIO_FROM, MAX_RATIO * sum(member.compress_size for member in files)):
        raise bad_package(name, "it unpacks to far more than a file of its size can hold")
    if size > limit:
        raise too_large(limit)
    files = [each for each in files if each.filename.partition("/")[0] not in _NOT_OURS]
    if below is None:
        below = _top([each.filename for each in files])
    start = f"{below}/" if below else ""
    return [
        (each.filename[len(start) :], each) for each in files if each.filename.startswith(start)
    ]


def _check_member(member: zipfile.ZipInfo, name: str) -> None:
    check_name(member.filename)
    if member.flag_bits & _ENCRYPTED:
        raise ArchiveError(
            "archive.password",
            f"The file {shown(name)} is protected with a password, so it cannot be unpacked. Ask "
            "its authors for one without.",
        )
    mode = stat.S_IFMT(member.external_attr >> 16) if member.create_system == _UNIX else 0
    if mode not in {0, stat.S_IFREG}:
        raise _special(member.filename, is_link=mode == stat.S_IFLNK)


def _special(path: str, *, is_link: bool) -> ArchiveError:
    if is_link:
        return _link(path)
    return ArchiveError(
        "archive.special-file",
        f"The archive has something that is neither a file nor a folder, {shown(path)}. Ask its "
        "authors for a new version.",
    )


def _top(paths: list[str]) -> str:
    """Return the one folder that everything is in; "" if there is none."""
    tops = {path.partition("/")[0] for path in paths}
    return tops.pop() if len(tops) == 1 and all("/" in path for path in paths) else ""


def untar(file: _Readable, name: str, tree: Tree) -> None:
    """Unpack a compressed tar file without its one top folder. Raises `ArchiveError`."""
    try:
        for path, member, packed in tar_members(file):
            if member.issym():
                tree.link(path, member.linkname)
            elif member.isfile() and (content := packed.extractfile(member)):
                executable = bool(member.mode & 0o100)
                tree.put(path, pieces(content), executable=executable)
            else:
                raise _special(path, is_link=member.islnk())
    except TAR_ERRORS as error:
        raise bad_package(name, shown(str(error)) or "it is not a tar file") from error


def tar_members(file: _Readable) -> Iterator[tuple[str, tarfile.TarInfo, tarfile.TarFile]]:
    """Yield what is in a tar file with one top folder, in order: the path below it, and the member.

    The file is read only as far as the caller goes on.
    """
    with tarfile.open(fileobj=cast("IO[bytes]", file), mode="r|gz") as packed:
        for number, member in enumerate(packed):
            packed.members = []  # type: ignore[attr-defined]
            if number > 2 * MAX_FILES:
                raise too_many_files()
            check_name(member.name)
            path = member.name.partition("/")[2]
            if path and not member.isdir():
                yield path, member, packed


def unpacked(content: IO[bytes]) -> Iterator[bytes]:
    """Yield the rest of a file in a ZIP piece by piece. Raises `zipfile.BadZipFile`."""
    try:
        yield from pieces(content)
    except _BAD_DATA as error:
        raise zipfile.BadZipFile(str(error)) from error


def pieces(content: IO[bytes]) -> Iterator[bytes]:
    """Yield the rest of a file piece by piece."""
    while piece := content.read(_PIECE):
        yield piece
