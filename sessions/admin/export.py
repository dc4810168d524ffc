"""Lists as CSV files: all rows that are filtered or chosen, sent while they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.utils.translation import gettext_lazy as _

from portal import csvfile

PAGE = 1000

Column = tuple[str, Callable[[Any], Any]]


class Exported:
    """Gives a list the action; ``columns`` are the file's, by their names."""

    columns: ClassVar[tuple[Column, ...]]
    opts: Any

    @admin.action(description=_("Export as CSV"), permissions=["view"])
    def export(self, request: HttpRequest, queryset: QuerySet[Any]) -> StreamingHttpResponse:
        header = [name for name, _value in self.columns]
        name = str(self.opts.model_name) + "s"
        return csvfile.answer(name, header, self._pages(queryset))

    def _pages(self, rows: QuerySet[Any]) -> Iterator[list[list[Any]]]:
        """The newest first. Each page is a query of its own, so that none is long, and a file
        of 200,000 rows needs no more memory than one of 1,000."""
        rows = rows.order_by("-pk")
        page = list(rows[:PAGE])
        while page:
            yield [[value(row) for _name, value in self.columns] for row in page]
            page = list(rows.filter(pk__lt=page[-1].pk)[:PAGE])
