"""Speed up and guard database access: prepared queries, trigram indexes, row numbers from outside.

`CompiledQuery` compiles a query once in a process. For a small query Django spends most of its time
on making the SQL (measured: four fifths of a millisecond, where asking and reading the rows take
one), so queries that nearly every request makes are compiled once. Django still makes the rows.

`index` is a migration step for PostgreSQL's index for substring searches. It needs the extension
pg_trgm, which a database's owner may create since PostgreSQL 13 if the server has it. Elsewhere
the step does nothing and such a search reads all rows: silently on SQLite, with a warning on
PostgreSQL.

`row_number` parses the row numbers in addresses and forms. A database takes at most 64 bits:
SQLite's driver raises for more, wherever Django has not checked.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from typing import Any, Generic, TypeVar

from django.db import DatabaseError, connections, migrations, transaction
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import Expression, Field, QuerySet
from django.db.models.sql.compiler import SQLCompiler

Row = TypeVar("Row")
SqlWithParams = tuple[str, tuple[Any, ...]]


class Param(Expression):
    """A placeholder in a prepared query; its value is passed by ``name`` at each call."""

    def __init__(self, name: str, field: Field[Any, Any]) -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        return "%s", (self,)


TimeOrParam = datetime | Param


class CompiledQuery(Generic[Row]):
    """A query that is compiled once and run with ever new values.

    ``make`` returns the query, with a `Param` for each value that varies. The first call raises
    `ValueError` if anything else in the query changes by itself, as the time does.
    """

    def __init__(self, make: Callable[[], QuerySet[Any, Row]]) -> None:
        self._make = make

    def __call__(self, **values: Any) -> list[Row]:
        """Return the rows for these values, read now."""
        queryset, ready, (sql, places) = self._compiled_query
        connection = connections[queryset.db]

        def value(place: Any) -> Any:
            if not isinstance(place, Param):
                return place
            return place.output_field.get_db_prep_value(values[place.name], connection)

        made = sql, tuple(value(place) for place in places)
        compiler: Any = copy.copy(ready)
        compiler.connection, compiler.as_sql = connection, lambda *_args, **_more: made
        clone = queryset._clone()  # noqa: SLF001 -- as each of its own methods does
        clone.query.get_compiler = lambda *_args, **_more: compiler
        return list(clone._iterable_class(clone))  # noqa: SLF001

    @cached_property
    def _compiled_query(self) -> tuple[Any, SQLCompiler, SqlWithParams]:
        queryset = self._make()
        compiler, made = _compile(queryset)
        if _compile(self._make())[1] != made:
            raise ValueError(f"the query is different each time it is made: {queryset.query}")
        return queryset, compiler, made


def _compile(queryset: QuerySet[Any, Any]) -> tuple[SQLCompiler, SqlWithParams]:
    compiler = queryset.query.get_compiler(queryset.db)
    sql, places = compiler.as_sql()
    return compiler, (sql, tuple(places))


log = logging.getLogger(__name__)


def index(name: str, table: str, *columns: str) -> migrations.RunPython:
    """Return a migration step that adds an index for ``icontains`` and ``istartswith``.

    It fits the SQL that Django writes for these lookups on the columns.
    """

    def make(apps: Any, editor: BaseDatabaseSchemaEditor) -> None:
        if editor.connection.vendor != "postgresql":
            return
        parts = ", ".join(f'UPPER("{column}"::text) gin_trgm_ops' for column in columns)
        try:
            with transaction.atomic(editor.connection.alias):
                editor.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm")
                editor.execute(f'CREATE INDEX "{name}" ON "{table}" USING gin ({parts})')
        except DatabaseError as error:
            log.warning(
                "Index %s was not created, so searches slow down as rows are added: the "
                "database has no pg_trgm extension (%s). docs/configure.md says how to add "
                "both.",
                name,
                str(error).strip(),
            )

    def drop(apps: Any, editor: BaseDatabaseSchemaEditor) -> None:
        if editor.connection.vendor == "postgresql":
            editor.execute(f'DROP INDEX IF EXISTS "{name}"')

    return migrations.RunPython(make, drop)


DIGITS = 18
"""One digit less than the largest 64-bit number has, so any number of so many digits fits."""


def row_number(text: str) -> int | None:
    """Return the number that ``text`` is, or None if no row can have it."""
    fits = 0 < len(text) <= DIGITS and text.isascii() and text.isdigit()
    return int(text) if fits else None
