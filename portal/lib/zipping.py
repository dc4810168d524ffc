"""Write a ZIP archive piece by piece, while its files are still being read.

Standard library only, because pods run this text as well (`sessions.backends.kubernetes.homes`).
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

File = tuple[str, Iterable[str | bytes]]
"""A file's name, and its content in pieces."""
CHUNK_BYTES = 64 * 1024
"""Bytes to collect before they are handed on."""


class ZipBuffer(io.RawIOBase):
    """The stream that an archive is written to; it cannot seek."""

    def __init__(self) -> None:
        self.waiting = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.waiting += data
        return len(data)

    def take(self) -> bytes:
        """Return the bytes written since the last call, and drop them."""
        taken, self.waiting = bytes(self.waiting), bytearray()
        return taken


def zip_pieces(files: Iterable[File]) -> Iterator[bytes]:
    """Yield the archive's bytes, in order."""
    outlet = ZipBuffer()
    with ZipFile(outlet, "w", ZIP_DEFLATED) as archive:
        for name, pieces in files:
            with archive.open(name, "w", force_zip64=True) as file:
                for piece in pieces:
                    file.write(piece.encode() if isinstance(piece, str) else piece)
                    if len(outlet.waiting) > CHUNK_BYTES:
                        yield outlet.take()
            yield outlet.take()
    yield outlet.take()
