"""Turn days and hours into charts, each with the rows of its table and links to the lists.

The home page (`overview`) shows them; `portal.lib.charts` draws, `sessions.statistics.overview`
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

from portal.lib.charts import Place, columns, line, swatch
from sessions.statistics.overview import History, Slot

LAUNCHES = ("admin:notebook_sessions_session_changelist", "created")
BUILDS = ("admin:notebook_sessions_build_changelist", "finished")
WEEK, QUARTER = 7, 6
"""Days and hours between two labels of an axis."""
LONG = 300
"""Seconds above which minutes are easier to read."""


@dataclass(frozen=True)
class Row:
    """One row of a table: ``url`` lists what is counted, ``failures`` lists those that failed."""

    name: str
    url: str
    failures: str
    slot: Slot

    @property
    def took(self) -> timedelta | None:
        return None if self.slot.seconds is None else timedelta(seconds=self.slot.seconds)

    @property
    def share(self) -> str:
        """The percentage that went well; "" if there were none."""
        return f"{self.slot.fine / self.slot.total:.0%}" if self.slot.total else ""


@dataclass(frozen=True)
class Trend:
    """One chart with its table.

    ``summary`` says in a sentence what the chart shows. ``fine`` and ``failed`` are the swatches of
    its legend, if it has two parts.
    """

    key: str
    title: str
    summary: str
    drawn: SafeString
    rows: list[Row]
    fine: SafeString | None = None
    failed: SafeString | None = None


def launches(history: History) -> list[Trend]:
    """Return the charts of launches: per hour, per day, and the time until they were ready."""
    day, month = _rows(history.hours, LAUNCHES, "H:i"), _rows(history.launches, LAUNCHES, "j M")
    return [
        _counted("hours", _("Launches in each of the last 24 hours"), day, QUARTER),
        _counted("days", _("Launches on each of the last 30 days"), month, WEEK),
        _timed(month, history.launch_seconds),
    ]


def builds(history: History) -> Trend:
    """Return the chart of builds that ended, per day."""
    rows = _rows(history.builds, BUILDS, "j M")
    return _counted("builds", _("Builds that ended on each of the last 30 days"), rows, WEEK)


def _rows(slots: Sequence[Slot], where: tuple[str, str], form: str) -> list[Row]:
    address, column = reverse(where[0]), where[1]
    local = timezone.get_default_timezone()
    rows = []
    for slot in slots:
        bounds = {f"{column}__gte": slot.begin.isoformat(), f"{column}__lt": slot.end.isoformat()}
        url = f"{address}?{urlencode(bounds)}"
        name = formats.date_format(slot.begin.astimezone(local), form)
        rows.append(Row(name, url, f"{url}&state__exact=failed", slot))
    return rows


def _counted(key: str, title: str, rows: list[Row], step: int) -> Trend:
    total, failed = (sum(getattr(row.slot, name) for row in rows) for name in ("total", "failed"))
    summary = _summary(total, failed)
    places = [
        Place(
            (row.slot.fine, row.slot.failed),
            f"{row.name}: {_summary(row.slot.total, row.slot.failed)}",
            _label(rows, index, step),
        )
        for index, row in enumerate(rows)
    ]
    drawn = columns(key, title, summary, places)
    return Trend(key, title, summary, drawn, rows, swatch(key, 0), swatch(key, 1))


def _timed(rows: list[Row], median: float | None) -> Trend:
    """Chart the time from launch to ready."""
    most = max((row.slot.seconds or 0 for row in rows), default=0)
    unit, size = (_("minutes"), 60) if most > LONG else (_("seconds"), 1)
    title = _("From launch to ready, median of each day in %(unit)s") % {"unit": unit}
    places = [
        Place(*_point(row, unit, size), _label(rows, index, WEEK)) for index, row in enumerate(rows)
    ]
    summary = _("no notebook got ready")
    if median is not None:
        values = {"time": f"{median / size:.3g}", "unit": unit}
        summary = _("%(time)s %(unit)s over all 30 days") % values
    return Trend("ready", title, summary, line("ready", title, summary, places), rows)


def _point(row: Row, unit: str, size: int) -> tuple[tuple[float, ...], str]:
    if row.slot.seconds is None:
        return (), row.name
    value = row.slot.seconds / size
    return (value,), f"{row.name}: {value:.3g} {unit}"


def _label(rows: Sequence[Any], index: int, step: int) -> str:
    """Label every ``step``-th place, counted from the last."""
    return rows[index].name if (len(rows) - 1 - index) % step == 0 else ""


def _summary(total: int, failed: int) -> str:
    if not total:
        return _("none")
    values = {"failed": failed, "total": total}
    return _("%(total)s in all, %(failed)s failed") % values
