"""Turn days and hours into charts, each with the rows of its table and links to the lists.

The home page (`site`) shows them; `portal.lib.charts` draws, `sessions.statistics.overview`
counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils import formats, timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from portal.lib.charts import DataPoint, column_chart, line_chart, swatch
from sessions.statistics.overview import Bucket, History

LAUNCHES = ("admin:notebook_sessions_session_changelist", "created")
BUILDS = ("admin:notebook_sessions_build_changelist", "finished")
WEEK, QUARTER = 7, 6
"""Days and hours between two labels of an axis."""
MINUTES_ABOVE = 300
"""Seconds above which minutes are easier to read."""


@dataclass(frozen=True)
class TrendRow:
    """One row of a table: ``url`` lists what is counted, ``failures`` lists those that failed."""

    name: str
    url: str
    failures: str
    bucket: Bucket

    @property
    def duration(self) -> timedelta | None:
        """Return the median duration; None if nothing succeeded."""
        return None if self.bucket.seconds is None else timedelta(seconds=self.bucket.seconds)

    @property
    def share(self) -> str:
        """Return the percentage that went well; "" if there were none."""
        return f"{self.bucket.succeeded / self.bucket.total:.0%}" if self.bucket.total else ""


@dataclass(frozen=True)
class Trend:
    """One chart with its table.

    ``summary`` says in a sentence what the chart shows. ``succeeded_swatch`` and ``failed_swatch``
    are the swatches of its legend, if it has two parts.
    """

    key: str
    title: str
    summary: str
    svg: SafeString
    rows: list[TrendRow]
    succeeded_swatch: SafeString | None = None
    failed_swatch: SafeString | None = None


def launches(history: History) -> list[Trend]:
    """Return the charts of launches: per hour, per day, and the time until they were ready."""
    day, month = _rows(history.hours, LAUNCHES, "H:i"), _rows(history.launches, LAUNCHES, "j M")
    return [
        _count_trend("hours", _("Launches in each of the last 24 hours"), day, QUARTER),
        _count_trend("days", _("Launches on each of the last 30 days"), month, WEEK),
        _time_trend(month, history.launch_seconds),
    ]


def builds(history: History) -> Trend:
    """Return the chart of builds that ended, per day."""
    rows = _rows(history.builds, BUILDS, "j M")
    return _count_trend("builds", _("Builds finished on each of the last 30 days"), rows, WEEK)


def _rows(buckets: Sequence[Bucket], where: tuple[str, str], form: str) -> list[TrendRow]:
    address, column = reverse(where[0]), where[1]
    local = timezone.get_default_timezone()
    rows = []
    for bucket in buckets:
        bounds = {
            f"{column}__gte": bucket.begin.isoformat(),
            f"{column}__lt": bucket.end.isoformat(),
        }
        url = f"{address}?{urlencode(bounds)}"
        name = formats.date_format(bucket.begin.astimezone(local), form)
        rows.append(TrendRow(name, url, f"{url}&state__exact=failed", bucket))
    return rows


def _count_trend(key: str, title: str, rows: list[TrendRow], step: int) -> Trend:
    total, failed = (sum(getattr(row.bucket, name) for row in rows) for name in ("total", "failed"))
    summary = _summary(total, failed)
    places = [
        DataPoint(
            (row.bucket.succeeded, row.bucket.failed),
            f"{row.name}: {_summary(row.bucket.total, row.bucket.failed)}",
            _label(rows, index, step),
        )
        for index, row in enumerate(rows)
    ]
    drawn = column_chart(key, title, summary, places)
    return Trend(key, title, summary, drawn, rows, swatch(key, 0), swatch(key, 1))


def _time_trend(rows: list[TrendRow], median: float | None) -> Trend:
    """Chart the time from launch to ready."""
    most = max((row.bucket.seconds or 0 for row in rows), default=0)
    unit, size = (_("minutes"), 60) if most > MINUTES_ABOVE else (_("seconds"), 1)
    title = _("Time from launch to ready, daily median in %(unit)s") % {"unit": unit}
    places = [
        DataPoint(*_point(row, unit, size), _label(rows, index, WEEK))
        for index, row in enumerate(rows)
    ]
    summary = _("no notebook became ready")
    if median is not None:
        values = {"time": f"{median / size:.3g}", "unit": unit}
        summary = _("%(time)s %(unit)s over all 30 days") % values
    return Trend("ready", title, summary, line_chart("ready", title, summary, places), rows)


def _point(row: TrendRow, unit: str, size: int) -> tuple[tuple[float, ...], str]:
    if row.bucket.seconds is None:
        return (), row.name
    value = row.bucket.seconds / size
    return (value,), f"{row.name}: {value:.3g} {unit}"


def _label(rows: Sequence[Any], index: int, step: int) -> str:
    """Label every ``step``-th place, counted from the last."""
    return rows[index].name if (len(rows) - 1 - index) % step == 0 else ""


def _summary(total: int, failed: int) -> str:
    if not total:
        return _("none")
    values = {"failed": failed, "total": total}
    return _("%(total)s in all, %(failed)s failed") % values
