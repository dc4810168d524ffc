"""Rows as a CSV file that is sent while it is read, however many there are; no model in it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

from django.http import StreamingHttpResponse
from django.utils import timezone

from portal.onebyone import one_by_one

Row = Sequence[Any]
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


def answer(name: str, header: Row, pages: Iterator[Iterable[Row]]) -> StreamingHttpResponse:
    """The file ``name``-<today>.csv. Each page of rows is asked for when the one before is sent."""
    today = timezone.localdate().isoformat()
    return StreamingHttpResponse(
        one_by_one(_lines(header, pages)),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}-{today}.csv"'},
    )


def _lines(header: Row, pages: Iterator[Iterable[Row]]) -> Iterator[str]:
    yield text([header])
    yield from map(text, pages)


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
