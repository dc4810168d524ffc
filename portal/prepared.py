"""Queries that are put together once, and then asked with ever new values.

Of a small query's time Django needs most to make its SQL (measured: four fifths of a millisecond,
where asking and reading the rows take one). For those that nearly every request asks this is done
once in a process; what the rows become is left to Django.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from typing import Any, Generic, TypeVar

from django.db import connections
from django.db.models import Expression, Field, QuerySet
from django.db.models.sql.compiler import SQLCompiler

Row = TypeVar("Row")
Made = tuple[str, tuple[Any, ...]]


class Given(Expression):
    """Stands in a query for the value of this name, which is given when it is asked."""

    def __init__(self, name: str, field: Field[Any, Any]) -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return "%s", (self,)


Moment = datetime | Given


class Prepared(Generic[Row]):
    """``make`` returns the query, with a `Given` for each value that is not always the same.

    Raises `ValueError` when first asked if anything else of it changes by itself, as the time does.
    """

    def __init__(self, make: Callable[[], QuerySet[Any, Row]]) -> None:
        self._make = make

    def __call__(self, **values: Any) -> list[Row]:
        """The rows for these values, read now."""
        queryset, ready, (sql, places) = self._ready
        connection = connections[queryset.db]

        def value(place: Any) -> Any:
            if not isinstance(place, Given):
                return place
            return place.output_field.get_db_prep_value(values[place.name], connection)

        made = sql, tuple(value(place) for place in places)
        compiler: Any = copy.copy(ready)
        compiler.connection, compiler.as_sql = connection, lambda *_args, **_more: made
        asked = queryset._clone()  # noqa: SLF001 -- as each of its own methods does
        asked.query.get_compiler = lambda *_args, **_more: compiler
        return list(asked._iterable_class(asked))  # noqa: SLF001

    @cached_property
    def _ready(self) -> tuple[Any, SQLCompiler, Made]:
        queryset = self._make()
        compiler, made = _compiled(queryset)
        if _compiled(self._make())[1] != made:
            raise ValueError(f"changes from one moment to the next: {queryset.query}")
        return queryset, compiler, made


def _compiled(queryset: QuerySet[Any, Any]) -> tuple[SQLCompiler, Made]:
    compiler = queryset.query.get_compiler(queryset.db)
    sql, places = compiler.as_sql()
    return compiler, (sql, tuple(places))
