"""Speed up and guard database access: prepared queries, deadlocks, trigram indexes, row numbers.

`CompiledQuery` compiles a query once in a process. For a small query Django spends most of its time
on making the SQL (measured: four fifths of a millisecond, where asking and reading the rows take
one), so queries that nearly every request makes are compiled once. Django still makes the rows.

`write_soon` makes a write after the answer that would otherwise wait for it, where the caller wants
that (`portal.handler`).

`retry_after_deadlock` calls a function again whose transaction the database has ended in favour of
another one.

`index` is a migration step for PostgreSQL's index for substring searches. It needs the extension
pg_trgm, which a database's owner may create since PostgreSQL 13 if the server has it. Elsewhere
the step does nothing and such a search reads all rows: silently on SQLite, with a warning on
PostgreSQL.

`row_number` parses the row numbers in addresses and forms. A database takes at most 64 bits:
SQLite's driver raises for more, wherever Django has not checked.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Hashable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, wraps
from typing import Any, Generic, ParamSpec, TypeVar

from django.db import (
    DatabaseError,
    OperationalError,
    connection,
    connections,
    migrations,
    transaction,
)
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.models import Expression, Field, QuerySet
from django.db.models.query import (
    FlatValuesListIterable,
    ModelIterable,
    ValuesListIterable,
    get_related_populators,
)

P = ParamSpec("P")
Result = TypeVar("Result")
Row = TypeVar("Row")


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
        plan = self._plan
        connection = connections[plan.db]
        given = [
            place.output_field.get_db_prep_value(values[place.name], connection)
            if isinstance(place, Param)
            else place
            for place in plan.places
        ]
        with connection.cursor() as cursor:
            cursor.execute(plan.sql, given)
            rows = cursor.fetchall()
        return [plan.make_row(_converted(row, plan.converters, connection)) for row in rows]

    @cached_property
    def _plan(self) -> _Plan:
        queryset = self._make()
        compiler, sql, places = _compile(queryset)
        if _compile(self._make())[1:] != (sql, places):
            raise ValueError(f"the query is different each time it is made: {queryset.query}")
        converters = compiler.get_converters([column[0] for column in compiler.select])
        return _Plan(queryset.db, sql, places, converters, _row_maker(queryset, compiler))


@dataclass(frozen=True)
class _Plan:
    db: str
    sql: str
    places: tuple[Any, ...]
    converters: dict[int, tuple[list[Any], Any]]
    make_row: Callable[[Any], Any]


def _compile(queryset: QuerySet[Any, Any]) -> tuple[Any, str, tuple[Any, ...]]:
    compiler = queryset.query.get_compiler(queryset.db)
    sql, places = compiler.as_sql()
    return compiler, sql, tuple(places)


def _converted(row: Any, converters: dict[int, tuple[list[Any], Any]], connection: Any) -> Any:
    values = list(row)
    for at, (steps, expression) in converters.items():
        for step in steps:
            values[at] = step(values[at], expression, connection)
    return values


def _row_maker(queryset: QuerySet[Any, Any], compiler: Any) -> Callable[[Any], Any]:
    """Return what makes a row's result of its values, as the queryset's own iterable does."""
    kind = queryset._iterable_class  # noqa: SLF001
    if kind is FlatValuesListIterable:
        return lambda values: values[0]
    if kind is ValuesListIterable:
        return tuple
    about, db = compiler.klass_info, queryset.db
    fields = slice(about["select_fields"][0], about["select_fields"][-1] + 1)
    names = [column[0].target.attname for column in compiler.select[fields]]
    populators: Any = get_related_populators  # the stubs describe Django 6
    related = populators(about, compiler.select, db)

    def make(values: Any) -> Any:
        row = about["model"].from_db(db, names, values[fields])
        for populator in related:
            populator.populate(values, row)
        return row

    if kind is not ModelIterable or compiler.annotation_col_map:
        raise ValueError(f"rows of this kind cannot be prepared: {queryset.query}")
    return make


Writes = dict[Hashable, Callable[[], object]]
_deferred: ContextVar[Writes | None] = ContextVar("deferred_writes", default=None)


def defer_writes(writes: Writes, act: Callable[[], Result]) -> Result:
    """Return what ``act`` returns; what it passes to `write_soon` is added to ``writes``, undone.

    Call it in a context of its own.
    """
    _deferred.set(writes)
    return act()


def write_soon(key: Hashable, write: Callable[[], object]) -> None:
    """Make a write that nobody waits for: now, unless the caller defers it.

    One that is still due under the same ``key`` stands for this one, too.
    """
    writes = _deferred.get()
    if writes is None:
        write()
    else:
        writes[key] = write


DEADLOCK_STATES = frozenset({"40P01", "40001"})
"""PostgreSQL's states for a transaction that it has ended in favour of another: deadlock detected,
serialization failure.
"""
MAX_TRIES = 5
MAX_PAUSE_SECONDS = 0.2


def is_deadlock(error: BaseException | None) -> bool:
    """Return whether the database has ended the transaction in favour of another one."""
    cause = error.__cause__ if isinstance(error, OperationalError) else None
    return getattr(cause, "sqlstate", None) in DEADLOCK_STATES


def retry_after_deadlock(act: Callable[P, Result]) -> Callable[P, Result]:
    """Wrap a function that works in one transaction, so that it survives a deadlock.

    It is called again, up to `MAX_TRIES` times, if the database has ended its transaction in favour
    of another one: nothing of that try is left. Inside of an outer transaction, the error is passed
    on, because that is over as well.
    """

    @wraps(act)
    def tried(*args: P.args, **kwargs: P.kwargs) -> Result:
        for _try in range(MAX_TRIES - 1):
            try:
                return act(*args, **kwargs)
            except OperationalError as error:
                if connection.in_atomic_block or not is_deadlock(error):
                    raise
                time.sleep(random.uniform(0, MAX_PAUSE_SECONDS))  # noqa: S311  no secret
        return act(*args, **kwargs)

    return tried


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
