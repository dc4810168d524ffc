"""Send CSV and ZIP files while they are still being written, however large they are.

The pieces are made one by one in a thread and sent by the event loop. There are no models in here.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar

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


def zip_response(name: str, pieces: Iterator[bytes]) -> StreamingHttpResponse:
    """Return a download of the archive ``name``, whose bytes are ``pieces``.

    Each piece is made once the one before it has been sent.
    """
    return StreamingHttpResponse(
        iterate_in_thread(pieces),
        content_type="application/zip",
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )
