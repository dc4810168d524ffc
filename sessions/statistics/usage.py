"""Add up CPU-, memory- and GPU-hours by month, from the session rows.

An hour of use is what a notebook was *guaranteed*, times the time in which it could be used: from
ready until it ended, or until now. Whatever it could have used beyond that, nobody could count on.
The wait for a build or a free GPU does not count, so a launch that failed before it was ready has
used nothing. Months begin in the portal's time zone, hours are real ones (a month with a change of
clocks has one more or less). Groups are those that people are in now: somebody in two of them
counts in both.

The database adds up, so nothing here grows with the number of rows: `Seconds` and `Median` are
durations that PostgreSQL and SQLite add up and sort alike.
"""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Self

from django.db.models import (
    Aggregate,
    Count,
    DateTimeField,
    F,
    FloatField,
    Func,
    Max,
    Q,
    QuerySet,
    Sum,
    TextChoices,
    Value,
)
from django.db.models.functions import Coalesce, Greatest, Least
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.models import User
from sessions.models import Session
from sessions.models.session import SessionQuerySet

Compiled = tuple[str, Any]


class Seconds(Func):
    """``Seconds(begin, end)``: the time between two moments in seconds, to the millisecond."""

    output_field = FloatField()
    arity = 2

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Compiled:
        """Return the SQL for PostgreSQL, and its parameters."""
        return self._made(compiler, "EXTRACT(EPOCH FROM ({end} - {begin}))::double precision")

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Compiled:
        """Return the SQL for SQLite, which counts in days, and its parameters."""
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


_TEXT = re.compile(r"(\d{4})-(\d{2})", re.ASCII)


@dataclass(frozen=True, order=True)
class Month:
    """A calendar month in the portal's time zone.

    ``number`` is 1 for January. ``str()`` gives ``2026-01``.
    """

    year: int
    number: int

    @classmethod
    def of(cls, moment: datetime) -> Self:
        """Return the month that contains this moment."""
        local = moment.astimezone(timezone.get_default_timezone())
        return cls(local.year, local.month)

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Parse ``2026-01``; return None if the text is not a month."""
        found = _TEXT.fullmatch(text)
        year, number = (int(found[1]), int(found[2])) if found else (0, 0)
        return cls(year, number) if 1 <= number <= 12 and 1970 <= year < 9999 else None

    def __str__(self) -> str:
        return f"{self.year:04}-{self.number:02}"

    def plus(self, months: int) -> Self:
        """Return the month ``months`` later; a negative number is for earlier."""
        year, index = divmod(self.year * 12 + self.number - 1 + months, 12)
        return type(self)(year, index + 1)

    @property
    def day(self) -> date:
        """Return its first day."""
        return date(self.year, self.number, 1)

    @property
    def begin(self) -> datetime:
        """Return its first moment."""
        zone = timezone.get_default_timezone()
        return datetime(self.year, self.number, 1, tzinfo=zone)

    @property
    def end(self) -> datetime:
        """Return the first moment after it."""
        return self.plus(1).begin


def month_range(first: Month, last: Month) -> Iterator[Month]:
    """Yield all months from the first to the last, including both."""
    while first <= last:
        yield first
        first = first.plus(1)


COLUMNS = {"cpu": "cpu_request", "memory_gb": "memory_request_gb", "gpu": "gpu"}


@dataclass(frozen=True)
class Hours:
    """CPU-hours, GB-hours (10⁹ bytes) and GPU-hours."""

    cpu: float = 0
    memory_gb: float = 0
    gpu: float = 0


class GroupBy(TextChoices):
    """The grouping of use: whose use is added up in one line."""

    PERSON = "person", _("person")
    GROUP = "group", _("group")
    REPOSITORY = "repository", _("repository")
    ALL = "all", _("person and repository")


GROUP_FIELDS: dict[str, tuple[str, ...]] = {
    GroupBy.PERSON: ("project__owner__username",),
    GroupBy.GROUP: ("project__owner__groups__name",),
    GroupBy.REPOSITORY: ("project__repository",),
    GroupBy.ALL: ("project__owner__username", "project__repository"),
}


@dataclass(frozen=True)
class UsageRow:
    """The use of one person, group or repository in one month.

    ``group`` has the values of `GROUP_FIELDS`: "" for people in no group. ``sessions`` is how many
    ran in that month; ``owner`` is the primary key of a person whom the line is about.
    """

    month: Month
    group: tuple[str, ...]
    sessions: int
    hours: Hours
    owner: int


def monthly_hours(user: User, months: Sequence[Month]) -> dict[Month, Hours]:
    """Return what a person has used in each of the months; at least one is needed; one query."""
    now = timezone.now()
    mine = _since(min(months).begin).filter(project__owner=user, ready__isnull=False)
    sums = {f"{month}": _sums(month, now) for month in months}
    flat = {f"{month}_{name}": total for month, of in sums.items() for name, total in of.items()}
    found = mine.aggregate(**flat)
    return {
        month: Hours(**{name: found[f"{month}_{name}"] or 0.0 for name in COLUMNS})
        for month in months
    }


def usage_rows(by: GroupBy, months: Iterable[Month]) -> Iterator[UsageRow]:
    """Yield everybody's use, ordered by month and name; one query for each month."""
    for month in months:
        rows = _grouped(month, GROUP_FIELDS[by]).order_by(*GROUP_FIELDS[by])
        for row in rows.iterator():
            yield _line(month, row, GROUP_FIELDS[by])


def top_users(month: Month, count: int) -> list[UsageRow]:
    """Return the ``count`` people who used the most CPU-hours in a month."""
    fields = GROUP_FIELDS[GroupBy.PERSON]
    rows = _grouped(month, fields).order_by(F("cpu").desc(), *fields)[:count]
    return [_line(month, row, fields) for row in rows]


def _grouped(month: Month, fields: tuple[str, ...]) -> QuerySet[Session, Any]:
    """Return dictionaries of the fields, the totals and the other values of a `UsageRow`."""
    now = timezone.now()
    rows = _since(month.begin).filter(ready__lt=min(month.end, now))
    grouped = (rows if month.begin < now else rows.none()).values(*fields)
    counts = {"sessions": Count("pk"), "owner": Max("project__owner_id")}
    found: QuerySet[Session, Any] = grouped.annotate(**counts, **_sums(month, now))
    return found


def _since(begin: datetime) -> SessionQuerySet:
    """Return sessions that ran then or later."""
    return Session.objects.filter(Q(ended__isnull=True) | Q(ended__gt=begin))


def _line(month: Month, row: dict[str, Any], fields: tuple[str, ...]) -> UsageRow:
    hours = Hours(**{name: row[name] or 0.0 for name in COLUMNS})
    group = tuple(row[field] or "" for field in fields)
    return UsageRow(month, group, row["sessions"], hours, row["owner"])


def _sums(month: Month, now: datetime) -> dict[str, Sum]:
    """Return, for each field of `Hours`, the total for the parts of sessions within the month."""
    begin = Greatest(F("ready"), _at(month.begin))
    end = Least(Coalesce(F("ended"), _at(now)), _at(min(month.end, now)))
    hours = Greatest(Seconds(begin, end), Value(0.0)) / Value(3600.0)
    return {name: Sum(F(column) * hours) for name, column in COLUMNS.items()}


def _at(moment: datetime) -> Value:
    return Value(moment, output_field=DateTimeField())
