"""Summarise what runs now and how the last day and month went, in a fixed number of queries.

Figures that staff act on (`current_usage`) are read each time. Figures that look back over many
rows (`history`) may be up to 30 seconds old and carry their time. They are grouped into days and
hours: counts, failures and medians.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.core.cache import cache
from django.db.models import Count, Max, Q, Sum
from django.db.models.functions import TruncDate, TruncHour
from django.utils import timezone

from sessions import capacity
from sessions.models import Build, Capacity, Session
from sessions.states import SESSION_HOLDING, BuildState, SessionState

from . import usage
from .usage import Median, Month, Seconds


@dataclass(frozen=True)
class Bucket:
    """A day or an hour, from ``begin`` to ``end``.

    It counts the launches begun or the builds ended in it, and how many of those failed.
    ``seconds`` is the median duration of the others.
    """

    begin: datetime
    end: datetime
    total: int = 0
    failed: int = 0
    seconds: float | None = None

    @property
    def succeeded(self) -> int:
        """Return how many did not fail."""
        return self.total - self.failed


def day_buckets(at: datetime, count: int) -> list[Bucket]:
    """Return the last ``count`` days up to today, in the portal's time zone, without figures."""
    today = timezone.localdate(at, timezone.get_default_timezone())
    dates = [today - timedelta(days=ago) for ago in reversed(range(count))]
    return [Bucket(_midnight(day), _midnight(day + timedelta(days=1))) for day in dates]


def hour_buckets(at: datetime, count: int) -> list[Bucket]:
    """Return the last ``count`` hours, without figures; in UTC, where each hour comes once."""
    this, hour = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0), timedelta(hours=1)
    return [Bucket(this - hour * ago, this - hour * (ago - 1)) for ago in reversed(range(count))]


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=timezone.get_default_timezone())


def truncate_to_date(column: str) -> TruncDate:
    """Truncate a column to the day in the portal's time zone."""
    return TruncDate(column, tzinfo=timezone.get_default_timezone())


def truncate_to_hour(column: str) -> TruncHour:
    """Truncate a column to the hour in UTC."""
    return TruncHour(column, tzinfo=UTC)


def fill_buckets(
    buckets: list[Bucket], rows: Any, when: TruncDate | TruncHour, took: Seconds
) -> list[Bucket]:
    """Return the buckets with the figures of the rows in each; one query.

    ``when`` truncates a row's time to the beginning of its bucket, and ``took`` is the duration of
    which each bucket gets the median. Failed rows count, but not for that.
    """
    failed = Q(state=SessionState.FAILED)  # a build's state has the same name
    grouped = rows.order_by().annotate(bucket=when).values("bucket").annotate(
        total=Count("pk"),
        failed=Count("pk", filter=failed),
        seconds=Median(took, filter=~failed),
    )  # fmt: skip
    found = {row.pop("bucket"): row for row in grouped}
    by_day = isinstance(when, TruncDate)
    return [
        Bucket(
            bucket.begin,
            bucket.end,
            **found.get(bucket.begin.date() if by_day else bucket.begin, {}),
        )
        for bucket in buckets
    ]


DAYS, HOURS, MAX_ROWS = 30, 24, 8
CACHE_SECONDS = 30
_KEY = "bindery.statistics.history"


@dataclass(frozen=True)
class CurrentUsage:
    """A snapshot of what runs now.

    ``states`` counts live sessions. ``cpu``, ``memory_gb`` (GB) and ``gpu`` are what is guaranteed
    to those that start or run. ``capacity`` is None if nobody has read the capacity yet.
    """

    states: dict[str, int]
    cpu: float
    memory_gb: float
    gpu: float
    capacity: Capacity | None


@dataclass(frozen=True)
class Failure:
    """Failures with the same code.

    ``newest_session`` is the number of the last session that failed so, at ``last``.
    """

    code: str
    count: int
    people: int
    last: datetime
    newest_session: int


@dataclass(frozen=True)
class History:
    """Figures of the last day and month.

    ``launch_seconds`` and ``build_seconds`` are medians over all days.
    """

    at: datetime
    launches: list[Bucket]
    hours: list[Bucket]
    builds: list[Bucket]
    launch_seconds: float | None
    build_seconds: float | None
    failures: list[Failure] = field(default_factory=list)
    top_users: list[usage.UsageRow] = field(default_factory=list)


def current_usage() -> CurrentUsage:
    """Return what runs now; two queries."""
    sums = {"cpu": Sum("cpu_request"), "memory_gb": Sum("memory_request_gb"), "gpu": Sum("gpu")}
    rows = Session.objects.live().order_by().values("state").annotate(count=Count("pk"), **sums)
    found: dict[str, dict[str, Any]] = {row["state"]: {**row} for row in rows}
    held = [row for state, row in found.items() if state in SESSION_HOLDING]
    totals = {name: sum(row[name] for row in held) for name in sums}
    counts = {state: row["count"] for state, row in found.items()}
    return CurrentUsage(counts, capacity=capacity.latest(), **totals)


def history() -> History:
    """Return figures from the last 30 seconds' cache, or compute them now: seven queries."""
    kept: History = cache.get_or_set(_KEY, _history, CACHE_SECONDS)  # type: ignore[assignment]
    return kept


def _history() -> History:
    at = timezone.now()
    days, hours = day_buckets(at, DAYS), hour_buckets(at, HOURS)
    launches = Session.objects.filter(created__gte=days[0].begin)
    builds = Build.objects.filter(finished__gte=days[0].begin)
    builds = builds.filter(state__in=[BuildState.BUILT, BuildState.FAILED])
    took, ready_after = Seconds("started", "finished"), Seconds("created", "ready")
    return History(
        at=at,
        launches=fill_buckets(days, launches, truncate_to_date("created"), ready_after),
        hours=fill_buckets(
            hours,
            launches.filter(created__gte=hours[0].begin),
            truncate_to_hour("created"),
            ready_after,
        ),
        builds=fill_buckets(days, builds, truncate_to_date("finished"), took),
        launch_seconds=launches.aggregate(found=Median(ready_after))["found"],
        build_seconds=builds.filter(state=BuildState.BUILT).aggregate(found=Median(took))["found"],
        failures=_failures(days[0].begin),
        top_users=usage.top_users(Month.of(at), MAX_ROWS),
    )


def _failures(since: datetime) -> list[Failure]:
    rows = Session.objects.filter(state=SessionState.FAILED, ended__gte=since)
    counted = rows.order_by().values("code").annotate(
        count=Count("pk"),
        people=Count("project__owner", distinct=True),
        last=Max("ended"),
        newest_session=Max("pk"),
    )  # fmt: skip
    return [Failure(**row) for row in counted.order_by("-count", "code")[:MAX_ROWS]]
