"""A person's files, as pages and the API reach them on every back end.

`PersonFiles` is the interface; `FilesHere` are files on this machine's disks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Protocol

from portal.lib.zipping import CHUNK_BYTES, REST, File, zip_pieces
from sessions.repofiles.browse import Browser, Entry

_MAX_NAMED = 1000


class PersonFiles(Protocol):
    """A project's files (path ``project/…``) and its person's own folder (``volume/…``).

    Every method raises `OSError` as `Browser` does, before it returns, and `TemporaryError` where
    the files cannot be reached now.
    """

    def kind(self, path: str) -> str:
        """Return `browse.FOLDER` or `browse.FILE`."""

    def entries(self, path: str) -> list[Entry]:
        """Return a folder's entries, folders first; the two places for the path ""."""

    def content(self, path: str) -> Iterator[bytes]:
        """Return a file's content in pieces, which are read as they are asked for."""

    def archive(self, path: str) -> Iterator[bytes]:
        """Return a folder as a ZIP in pieces; a file in it names what is left out."""

    def delete(self, path: str) -> bool:
        """Delete a file or a folder; return False if that is still going on."""


class FilesHere:
    """The files below a `Browser` of this process."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self.kind = browser.kind
        self.entries = browser.entries

    def content(self, path: str) -> Iterator[bytes]:
        """Return a file's content in pieces."""
        return _closing(self._browser.open(path))

    def archive(self, path: str) -> Iterator[bytes]:
        """Return a folder as a ZIP in pieces."""
        if not path.strip("/"):
            raise FileNotFoundError(path)
        self._browser.entries(path)
        return zip_pieces(_named_pieces(self._browser, path))

    def delete(self, path: str) -> bool:
        """Delete a file or a folder; return True. A large folder is set aside and emptied there."""
        self._browser.delete(path)
        return True


def _named_pieces(browser: Browser, path: str) -> Iterator[File]:
    lacking = _Lacking()
    for name, file in browser.files(path, lacking.add):
        yield name, _readable_pieces(name, file, lacking)
    if lacking.count:
        yield REST, lacking.text()


class _Lacking:
    """Collects what an archive lacks."""

    def __init__(self) -> None:
        self.count = 0
        self._lines: list[str] = []

    def add(self, path: str, why: str) -> None:
        self.count += 1
        if len(self._lines) < _MAX_NAMED:
            self._lines.append(f"{path} ({why})\n")

    def text(self) -> Iterator[str]:
        """Yield the text for whoever opens the archive."""
        yield "These are not in this archive, or not all of it:\n\n"
        yield from self._lines
        if self.count > _MAX_NAMED:
            yield f"\nand {self.count - _MAX_NAMED:,} more.\n"


def _readable_pieces(name: str, file: BinaryIO, lacking: _Lacking) -> Iterator[bytes]:
    """Yield a file's content; a disk that refuses some of it does not end the archive."""
    try:
        yield from _pieces(file)
    except OSError as error:
        lacking.add(name, f"cut, because of an error: {error.strerror}")


def _closing(file: BinaryIO) -> Iterator[bytes]:
    with file:
        yield from _pieces(file)


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    while piece := file.read(CHUNK_BYTES):
        yield piece
