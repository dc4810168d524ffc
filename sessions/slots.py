"""Days and hours, and what happened in each: counts, failures and medians from the rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db.models import Count, Q
from django.db.models.functions import TruncDate, TruncHour
from django.utils import timezone

from sessions.durations import Median, Seconds
from sessions.states import SessionState


@dataclass(frozen=True)
class Slot:
    """A day or an hour from ``begin`` to ``end``: what was begun (launches) or ended (builds)
    in it, how many of those failed, and the median of the seconds that the others took."""

    begin: datetime
    end: datetime
    total: int = 0
    failed: int = 0
    seconds: float | None = None

    @property
    def fine(self) -> int:
        return self.total - self.failed


def days(at: datetime, count: int) -> list[Slot]:
    today = timezone.localdate(at, timezone.get_default_timezone())
    dates = [today - timedelta(days=ago) for ago in reversed(range(count))]
    return [Slot(_midnight(day), _midnight(day + timedelta(days=1))) for day in dates]


def hours(at: datetime, count: int) -> list[Slot]:
    """In UTC, where each hour comes once."""
    this, hour = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0), timedelta(hours=1)
    return [Slot(this - hour * ago, this - hour * (ago - 1)) for ago in reversed(range(count))]


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), tzinfo=timezone.get_default_timezone())


def by_date(column: str) -> TruncDate:
    return TruncDate(column, tzinfo=timezone.get_default_timezone())


def by_hour(column: str) -> TruncHour:
    return TruncHour(column, tzinfo=UTC)


def filled(slots: list[Slot], rows: Any, when: TruncDate | TruncHour, took: Seconds) -> list[Slot]:
    """The slots with what the rows have for each; one query."""
    failed = Q(state=SessionState.FAILED)  # a build's state has the same name
    grouped = rows.order_by().annotate(slot=when).values("slot").annotate(
        total=Count("pk"),
        failed=Count("pk", filter=failed),
        seconds=Median(took, filter=~failed),
    )  # fmt: skip
    found = {row.pop("slot"): row for row in grouped}
    by_day = isinstance(when, TruncDate)
    return [
        Slot(slot.begin, slot.end, **found.get(slot.begin.date() if by_day else slot.begin, {}))
        for slot in slots
    ]
