"""What runs now, and how it went over the last day and month; a fixed number of queries.

What staff act upon is asked for each time. What looks back over many rows (`history`) may be
up to 30 seconds old and says of when it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.cache import cache
from django.db.models import Count, Max, Sum
from django.utils import timezone

from sessions import capacity, slots, usage
from sessions.durations import Median, Seconds
from sessions.models import Build, Capacity, Session
from sessions.months import Month
from sessions.slots import Slot, by_date, by_hour, filled
from sessions.states import SESSION_HOLDING, BuildState, SessionState

DAYS, HOURS, SHOWN = 30, 24, 8
KEPT_SECONDS = 30
_KEY = "bindery.statistics"


@dataclass(frozen=True)
class Now:
    """``states`` counts live sessions; what is held is what those on their way and running are
    guaranteed (CPUs, memory in GB, GPUs). ``there_is`` is None where nobody has looked yet."""

    states: dict[str, int]
    cpu: float
    memory_gb: float
    gpu: float
    there_is: Capacity | None


@dataclass(frozen=True)
class Failure:
    """``newest`` is the number of the last session that failed with this code, at ``last``."""

    code: str
    count: int
    people: int
    last: datetime
    newest: int


@dataclass(frozen=True)
class History:
    """``launch_seconds`` and ``build_seconds`` are medians over all days."""

    at: datetime
    launches: list[Slot]
    hours: list[Slot]
    builds: list[Slot]
    launch_seconds: float | None
    build_seconds: float | None
    failures: list[Failure] = field(default_factory=list)
    most: list[usage.Line] = field(default_factory=list)


def now() -> Now:
    """Two queries."""
    sums = {"cpu": Sum("cpu_request"), "memory_gb": Sum("memory_request_gb"), "gpu": Sum("gpu")}
    rows = Session.objects.live().order_by().values("state").annotate(count=Count("pk"), **sums)
    found: dict[str, dict[str, Any]] = {row["state"]: {**row} for row in rows}
    held = [row for state, row in found.items() if state in SESSION_HOLDING]
    totals = {name: sum(row[name] for row in held) for name in sums}
    counts = {state: row["count"] for state, row in found.items()}
    return Now(counts, there_is=capacity.known(), **totals)


def history() -> History:
    """What was found in the last 30 seconds, or what is found now: seven queries."""
    kept: History = cache.get_or_set(_KEY, _history, KEPT_SECONDS)  # type: ignore[assignment]
    return kept


def _history() -> History:
    at = timezone.now()
    days, hours = slots.days(at, DAYS), slots.hours(at, HOURS)
    launches = Session.objects.filter(created__gte=days[0].begin)
    builds = Build.objects.filter(finished__gte=days[0].begin)
    builds = builds.filter(state__in=[BuildState.BUILT, BuildState.FAILED])
    took, ready_after = Seconds("started", "finished"), Seconds("created", "ready")
    return History(
        at=at,
        launches=filled(days, launches, by_date("created"), ready_after),
        hours=filled(
            hours, launches.filter(created__gte=hours[0].begin), by_hour("created"), ready_after
        ),
        builds=filled(days, builds, by_date("finished"), took),
        launch_seconds=launches.aggregate(found=Median(ready_after))["found"],
        build_seconds=builds.filter(state=BuildState.BUILT).aggregate(found=Median(took))["found"],
        failures=_failures(days[0].begin),
        most=usage.most(Month.of(at), SHOWN),
    )


def _failures(since: datetime) -> list[Failure]:
    rows = Session.objects.filter(state=SessionState.FAILED, ended__gte=since)
    counted = rows.order_by().values("code").annotate(
        count=Count("pk"),
        people=Count("project__owner", distinct=True),
        last=Max("ended"),
        newest=Max("pk"),
    )  # fmt: skip
    return [Failure(**row) for row in counted.order_by("-count", "code")[:SHOWN]]
