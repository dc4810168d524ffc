"""Rows as a CSV file that is sent while it is read, however many there are; no model in it."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse
from django.utils import timezone

Row = Sequence[Any]
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


def answer(name: str, header: Row, pages: Iterator[Iterable[Row]]) -> StreamingHttpResponse:
    """The file ``name``-<today>.csv. Each page of rows is asked for when the one before is sent."""
    today = timezone.localdate().isoformat()
    return StreamingHttpResponse(
        _lines(header, pages),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}-{today}.csv"'},
    )


async def _lines(header: Row, pages: Iterator[Iterable[Row]]) -> AsyncIterator[str]:
    yield text([header])
    while (page := await sync_to_async(_next)(pages)) is not None:
        yield page


def _next(pages: Iterator[Iterable[Row]]) -> str | None:
    page = next(pages, None)
    return None if page is None else text(page)


def text(rows: Iterable[Row]) -> str:
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
