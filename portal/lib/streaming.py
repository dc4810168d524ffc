"""Send CSV and ZIP files while they are still being written, however large they are.

The pieces are made one by one in a thread and sent by the event loop. There are no models in here.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar
from zipfile import ZIP_DEFLATED, ZipFile

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse
from django.utils import timezone

Piece = TypeVar("Piece")


async def iterate_in_thread(pieces: Iterator[Piece]) -> AsyncIterator[Piece]:
    """Yield each piece, fetched in a thread once the one before has been taken.

    Django would collect all of them first.
    """
    while (piece := await sync_to_async(_next)(pieces)) is not None:
        yield piece


def _next(pieces: Iterator[Piece]) -> Piece | None:
    return next(pieces, None)


Row = Sequence[Any]
FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r")
"""Characters at which a spreadsheet takes a cell for a formula."""


def csv_response(name: str, header: Row, pages: Iterator[Iterable[Row]]) -> StreamingHttpResponse:
    """Return a download of ``name``-<today>.csv.

    Each page of rows is read once the one before it has been sent.
    """
    today = timezone.localdate().isoformat()
    return StreamingHttpResponse(
        iterate_in_thread(_lines(header, pages)),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}-{today}.csv"'},
    )


def _lines(header: Row, pages: Iterator[Iterable[Row]]) -> Iterator[str]:
    yield csv_text([header])
    yield from map(csv_text, pages)


def csv_text(rows: Iterable[Row]) -> str:
    """Return rows as CSV; times are in the portal's time zone, to the second."""
    file = io.StringIO()
    csv.writer(file).writerows([_cell(value) for value in row] for row in rows)
    return file.getvalue()


def _cell(value: Any) -> Any:
    """Return the value of a cell; text that a spreadsheet would calculate gets a quote in front."""
    if isinstance(value, datetime):
        return timezone.localtime(value).isoformat(timespec="seconds")
    if isinstance(value, str) and value.startswith(FORMULA_PREFIXES):
        return f"'{value}"
    return value


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


def zip_response(name: str, files: Iterable[File]) -> StreamingHttpResponse:
    """Return a download of the archive ``name``.

    Each piece is made once the one before it has been sent.
    """
    return StreamingHttpResponse(
        iterate_in_thread(zip_pieces(files)),
        content_type="application/zip",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )


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
