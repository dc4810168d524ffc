"""Files as a ZIP that is sent while it is written, however large; no model in it.

Beside `csvfile`, which does the same for one table.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from django.http import StreamingHttpResponse

from portal.onebyone import one_by_one

File = tuple[str, Iterable[str]]
"""A name, and the text in pieces."""
ENOUGH = 64 * 1024
"""Bytes that are worth handing on."""


class Outlet(io.RawIOBase):
    """What the archive is written to: nobody can go back in it."""

    def __init__(self) -> None:
        self.waiting = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.waiting += data
        return len(data)

    def take(self) -> bytes:
        taken, self.waiting = bytes(self.waiting), bytearray()
        return taken


def answer(name: str, files: Iterable[File]) -> StreamingHttpResponse:
    """The archive ``name``. Each piece is asked for when the one before it is sent."""
    return StreamingHttpResponse(
        one_by_one(pieces(files)),
        content_type="application/zip",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )


def pieces(files: Iterable[File]) -> Iterator[bytes]:
    """The archive's bytes, in order."""
    outlet = Outlet()
    with ZipFile(outlet, "w", ZIP_DEFLATED) as archive:
        for name, texts in files:
            with archive.open(name, "w") as file:
                for text in texts:
                    file.write(text.encode())
                    if len(outlet.waiting) > ENOUGH:
                        yield outlet.take()
            yield outlet.take()
    yield outlet.take()
