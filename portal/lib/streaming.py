"""Send CSV and ZIP files while they are still being written, however large they are.

What is made piece by piece in a thread, for whoever sends it from the event loop.

Rows as a CSV file that is sent while it is read, however many there are; no model in it.

Files as a ZIP that is sent while it is written, however large; no model in it.

Beside `csvfile`, which does the same for one table.
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


async def one_by_one(pieces: Iterator[Piece]) -> AsyncIterator[Piece]:
    """Each is asked for when the one before has been taken; Django would hold all of them."""
    while (piece := await sync_to_async(_next)(pieces)) is not None:
        yield piece


def _next(pieces: Iterator[Piece]) -> Piece | None:
    return next(pieces, None)


Row = Sequence[Any]
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


def csv_response(name: str, header: Row, pages: Iterator[Iterable[Row]]) -> StreamingHttpResponse:
    """The file ``name``-<today>.csv. Each page of rows is asked for when the one before is sent."""
    today = timezone.localdate().isoformat()
    return StreamingHttpResponse(
        one_by_one(_lines(header, pages)),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}-{today}.csv"'},
    )


def _lines(header: Row, pages: Iterator[Iterable[Row]]) -> Iterator[str]:
    yield csv_text([header])
    yield from map(csv_text, pages)


def csv_text(rows: Iterable[Row]) -> str:
    """Rows as CSV; a moment in the portal's time zone, to the second."""
    file = io.StringIO()
    csv.writer(file).writerows([_cell(value) for value in row] for row in rows)
    return file.getvalue()


def _cell(value: Any) -> Any:
    """What people typed gets a quote in front where a spreadsheet would calculate it."""
    if isinstance(value, datetime):
        return timezone.localtime(value).isoformat(timespec="seconds")
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value


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


def zip_response(name: str, files: Iterable[File]) -> StreamingHttpResponse:
    """The archive ``name``. Each piece is asked for when the one before it is sent."""
    return StreamingHttpResponse(
        one_by_one(zip_pieces(files)),
        content_type="application/zip",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )


def zip_pieces(files: Iterable[File]) -> Iterator[bytes]:
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
