"""Durations that the database itself adds up and sorts, on PostgreSQL and SQLite alike."""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable
from typing import Any

from django.db.models import Aggregate, FloatField, Func

Compiled = tuple[str, Any]


class Seconds(Func):
    """``Seconds(begin, end)``: the time between two moments in seconds, to the millisecond."""

    output_field = FloatField()
    arity = 2

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Compiled:
        return self._made(compiler, "EXTRACT(EPOCH FROM ({end} - {begin}))::double precision")

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Compiled:
        return self._made(compiler, "ROUND((julianday({end}) - julianday({begin})) * 86400.0, 3)")

    def _made(self, compiler: Any, template: str) -> Compiled:
        """Compile the template; the end must stand before the begin in it, as its parameters do."""
        begin, end = (compiler.compile(each) for each in self.get_source_expressions())
        return template.format(begin=begin[0], end=end[0]), (*end[1], *begin[1])


class Median(Aggregate):
    """The median of all values, None if there is none.

    SQLite has no such function: it returns all values, and Python computes the median.
    """

    name = "Median"
    output_field = FloatField()
    template = "PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Compiled:
        listing = self.copy()
        listing.template = "JSON_GROUP_ARRAY(%(expressions)s)"
        return listing.as_sql(compiler, connection, **context)

    def get_db_converters(self, connection: Any) -> list[Callable[..., Any]]:
        return [_median]


def _median(value: Any, expression: Any, connection: Any) -> float | None:
    if isinstance(value, str):
        values = [each for each in json.loads(value) if each is not None]
        return statistics.median(values) if values else None
    return None if value is None else float(value)
