"""Do one thing with an archive, as the package says: resolve, read or fetch.

Of a version that is one ZIP file, `read` asks only for the parts that it needs, where the server
gives parts.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os
import re
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

from sessions.repofiles.gitclone.command import ask_git, exclude_own_files, run_git, shown

from .failures import ArchiveError, bad_package, damaged, host_of, too_large
from .packed import SOURCES, HydroShare, SoftwareHeritage
from .sources import Ckan, RemoteFile, Source, doi_address
from .unpack import (
    TAR_ERRORS,
    ZIP_ERRORS,
    Tree,
    members,
    pieces,
    tar_members,
    unpacked,
    untar,
    unzip,
)
from .web import Web, say

RESOURCES = ".resources"
MAX_RESOURCES_BYTES = 100_000
_DOWNLOAD_TRIES = 3
_PART_BYTES = 128 * 1024
_MAX_PARTS = 400
_FRESH = frozenset({"archive.private", "archive.not-found", "archive.withdrawn"})
"""Answers of an address that was good once: its listing is asked for another one."""


@dataclass(frozen=True)
class Wish:
    """The program's argument. ``limit`` is bytes, ``seconds``, ``stall`` and ``wait`` are times.

    ``hosts`` has addresses that stand in for hosts. ``answer`` is the file for the answer, "" for
    standard output; ``scratch`` the folder for what is downloaded and unpacked then.
    """

    mode: str
    kind: str = ""
    url: str = ""
    version: str = ""
    doi: str = ""
    limit: int = 2_000_000_000
    seconds: float = 1500
    stall: float = 60
    wait: float = 600
    hosts: dict[str, str] = field(default_factory=dict)
    answer: str = ""
    scratch: str = "/tmp"  # noqa: S108  (in a sandbox or pod, which is alone in it)


class RemoteZip(io.RawIOBase):
    """A file on a server that gives parts, to be read from anywhere in it."""

    def __init__(self, web: Web, address: str) -> None:
        self._web, self._address, self._at, self._asked = web, address, 0, 0
        self.size = 0
        self.size = self._part(0, 1)[1]

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        end = min(self._at + len(buffer), self.size)
        if end <= self._at:
            return 0
        part = self._part(self._at, end)[0][: len(buffer)]
        buffer[: len(part)] = part
        self._at += len(part)
        return len(part)

    def _part(self, start: int, end: int) -> tuple[bytes, int]:
        """Return a part and the size of the whole. Raises `LookupError` if there are no parts."""
        self._asked += 1
        if self._asked > _MAX_PARTS:
            raise LookupError
        headers = {"Range": f"bytes={start}-{end - 1}"}
        with self._web.open(self._address, headers=headers) as answer:
            whole = re.fullmatch(
                r"bytes (\d{1,18})-\d{1,18}/(\d{1,18})",
                answer.raw.headers.get("Content-Range") or "",
            )
            if answer.status != 206 or not whole or int(whole[1]) != start:
                raise LookupError
            return self._web.read(answer, end - start), int(whole[2])


def download(web: Web, limit: int, file: RemoteFile) -> Iterator[bytes]:
    """Yield a file's content; at its end, check size and MD5. Raises `ArchiveError`."""
    digest, size = hashlib.md5(usedforsecurity=False), 0
    if (file.size or 0) > limit:
        raise too_large(limit)
    with web.open(file.url) as answer:
        for chunk in web.chunks(answer):
            size += len(chunk)
            if size > limit:
                raise too_large(limit)
            digest.update(chunk)
            yield chunk
    if file.size not in {None, size} or file.md5 not in {"", digest.hexdigest()}:
        raise damaged(file.path)


def save(web: Web, source: Source, file: RemoteFile, path: str, limit: int) -> None:
    """Download into a file; begin again, with a fresh address, if it comes damaged or not whole."""
    for tried in range(1, _DOWNLOAD_TRIES + 1):
        try:
            with open(path, "wb") as target:
                target.writelines(download(web, limit, file))
        except ArchiveError as error:
            again = tried > 1 and error.code in _FRESH
            if tried == _DOWNLOAD_TRIES or not (error.temporary or again):
                raise
            if error.code in {"archive.busy", "archive.slow", "archive.timeout"}:
                raise
            web.pause(tried, f"{shown(file.path)}: {error.message}", error)
            file = _listed_again(source, file)
        else:
            return


def _listed_again(source: Source, file: RemoteFile) -> RemoteFile:
    """Return the same file with the address that the archive gives for it now."""
    if isinstance(source, (HydroShare, SoftwareHeritage)):
        return RemoteFile(file.path, source.package())
    return next((each for each in source.listed() if each.path == file.path), file)


def fetch(web: Web, source: Source, wish: Wish) -> list[str]:
    """Fill the current folder and make it a repository; return notes. Raises `ArchiveError`."""
    tree = Tree(os.getcwd(), wish.limit)
    scratch = os.path.join(wish.scratch, "download")
    if isinstance(source, (HydroShare, SoftwareHeritage)):
        name = f"{source.version}.zip" if isinstance(source, HydroShare) else source.version
        file = RemoteFile(name, source.package())
        say(f"Downloading from {host_of(file.url)}")
        save(web, source, file, scratch, wish.limit)
        if isinstance(source, HydroShare):
            unzip(scratch, name, tree, source.below)
        else:
            with open(scratch, "rb") as packed:
                untar(packed, name, tree)
        os.unlink(scratch)
    else:
        _fetch_listed(web, source, tree, scratch)
    tree.finish()
    say(f"{tree.count:,} files")
    commit(wish)
    return tree.notes


def _fetch_listed(web: Web, source: Source, tree: Tree, scratch: str) -> None:
    files = source.listed()
    if sum(file.size or 0 for file in files) > tree.room:
        raise too_large(tree.room)
    for file in files:
        size = f" ({file.size:,} bytes)" if file.size is not None else ""
        say(f"Downloading {shown(file.path)}{size}")
        save(web, source, file, scratch, tree.room)
        if is_package(source, files):
            unzip(scratch, file.path, tree)
        else:
            path = tree.free_name(file.path) if isinstance(source, Ckan) else file.path
            with open(scratch, "rb") as content:
                tree.put(path, pieces(content))
        os.unlink(scratch)


def is_package(source: Source, files: list[RemoteFile]) -> bool:
    """Return whether the only file is a ZIP that stands for what is in it."""
    return source.unpacks and len(files) == 1 and files[0].path.lower().endswith(".zip")


def read(web: Web, source: Source, wish: Wish) -> bytes | None:
    """Return the content of ``.resources``, None if there is no such file."""
    if isinstance(source, HydroShare):
        file = RemoteFile(f"{source.version}.zip", source.package())
        return _read_zip(web, source, file, wish, source.below)
    if isinstance(source, SoftwareHeritage):
        return _read_tar(web, RemoteFile(source.version, source.package()), wish)
    files = source.listed()
    if is_package(source, files):
        return _read_zip(web, source, files[0], wish)
    named = [file for file in files if file.path == RESOURCES]
    return b"".join(download(web, MAX_RESOURCES_BYTES, named[0])) if named else None


class _Pieces(io.RawIOBase):
    """Pieces as a file that is read from its beginning to its end."""

    def __init__(self, pieces_of: Iterator[bytes]) -> None:
        self._pieces, self._rest = pieces_of, b""

    def read(self, size: int = -1) -> bytes:
        while len(self._rest) < size and (piece := next(self._pieces, b"")):
            self._rest += piece
        found, self._rest = self._rest[:size], self._rest[size:]
        return found


def _read_tar(web: Web, file: RemoteFile, wish: Wish) -> bytes | None:
    try:
        for path, member, packed in tar_members(_Pieces(download(web, wish.limit, file))):
            if path == RESOURCES and (content := packed.extractfile(member)):
                return content.read(MAX_RESOURCES_BYTES)
    except TAR_ERRORS as error:
        raise bad_package(file.path, shown(str(error)) or "it is not a tar file") from error
    return None


def _read_zip(
    web: Web, source: Source, file: RemoteFile, wish: Wish, below: str | None = None
) -> bytes | None:
    try:
        parts = io.BufferedReader(RemoteZip(web, file.url), _PART_BYTES)
        return _in_zip(parts, file.path, wish, below)
    except (LookupError, ArchiveError) as error:  # it gives the whole file only, or only once
        if isinstance(error, ArchiveError) and error.code not in _FRESH:
            raise
        file = file if isinstance(error, LookupError) else _listed_again(source, file)
        path = os.path.join(wish.scratch, "download")
        save(web, source, file, path, wish.limit)
        with open(path, "rb") as whole:
            return _in_zip(whole, file.path, wish, below)


def _in_zip(file: Any, name: str, wish: Wish, below: str | None) -> bytes | None:
    try:
        with zipfile.ZipFile(file) as packed:
            for path, member in members(packed, name, wish.limit, below):
                if path == RESOURCES:
                    with packed.open(member) as content:
                        return next(unpacked(content), b"")[:MAX_RESOURCES_BYTES]
    except ZIP_ERRORS as error:
        raise bad_package(name, shown(str(error)) or "it is not a ZIP file") from error
    return None


_COMMITTED = {
    **dict.fromkeys(("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"), "946684800 +0000"),
    **dict.fromkeys(("GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"), "archive@localhost"),
}
_AS_IT_IS = "* -text -filter -ident -working-tree-encoding -merge\n"


def commit(wish: Wish) -> None:
    """Make a Git repository of the folder, with one commit that is the same wherever it is made."""
    folder, source = os.getcwd(), SOURCES[wish.kind]
    names = ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME")
    os.environ.update(_COMMITTED | dict.fromkeys(names, source.label))
    run_git(folder, "init", "--quiet", "--template=", "--initial-branch=main")
    os.makedirs(".git/info", exist_ok=True)
    with open(".git/info/attributes", "w") as file:
        file.write(_AS_IT_IS)
    message = f"{wish.url}\n\nVersion {wish.version}"
    made = b""
    if run_git(folder, "-c", "core.compression=1", "add", "--all", "--force").succeeded:
        tree = ask_git(folder, "write-tree").decode().strip()
        made = ask_git(folder, "commit-tree", "-m", message, tree) if tree else b""
    if not made:
        raise ArchiveError(
            "archive.git", "Git cannot keep the archive's files; see the last lines of the log."
        )
    ask_git(folder, "update-ref", "refs/heads/main", made.decode().strip())
    exclude_own_files(folder)


def answer(wish: Wish) -> dict[str, object]:
    """Do what is asked for, and return the answer. Raises `ArchiveError`."""
    web = Web(wish.hosts, wish.seconds, wish.stall, os.environ.get("http_proxy", ""))
    if wish.mode == "address":
        return {"url": doi_address(web, wish.doi) if wish.doi else web.last_address(wish.url)}
    source = SOURCES[wish.kind](web, wish.url, wish.version, wish.wait)
    if wish.mode == "resolve":
        found = source.resolve()
        return {"url": found.url, "version": found.version}
    if wish.mode == "read":
        content = read(web, source, wish)
        return {"content": None if content is None else base64.b64encode(content).decode()}
    return {"notes": fetch(web, source, wish)}


def main(argv: list[str]) -> int:
    """Answer the wish in the only argument; return the status."""
    given = json.loads(argv[0])
    names = {each.name for each in fields(Wish)}
    wish = Wish(**{name: value for name, value in given.items() if name in names})
    status = 0
    try:
        found = answer(wish)
    except ArchiveError as error:
        say(error.message)
        found = {"code": error.code, "message": error.message, "temporary": error.temporary}
        status = 1
    text = json.dumps(found)
    if wish.answer:
        with open(wish.answer, "w") as file:
            file.write(text)
    else:
        sys.stdout.write(text)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
