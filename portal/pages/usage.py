"""Show what people have used: to each person on the account page, and to staff as a CSV file.

`sessions.statistics.usage` computes the hours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBadRequest, HttpResponseBase
from django.utils import formats, timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from portal.lib import streaming
from portal.lib.charts import DataPoint, column_chart
from portal.models import User
from sessions.statistics.usage import (
    GroupBy,
    Hours,
    Month,
    UsageRow,
    month_range,
    monthly_hours,
    usage_rows,
)

VIEW_PERMISSION = "notebook_sessions.view_session"
CHART_MONTHS = 6
MAX_MONTHS = 120
PAGE = 1000
_FIGURES = {
    "cpu": gettext_lazy("CPU-hours"),
    "memory_gb": gettext_lazy("GB-hours"),
    "gpu": gettext_lazy("GPU-hours"),
}


@dataclass(frozen=True)
class UsageChart:
    """One kind of hours: those of this month, and a chart of the last months."""

    label: str
    this_month: float
    svg: SafeString


def template_context(user: User) -> dict[str, Any]:
    """Return the context of ``portal/_usage.html``, in one query; GPU-hours only if any."""
    last = Month.of(timezone.now())
    found = monthly_hours(user, list(month_range(last.plus(1 - CHART_MONTHS), last)))
    figures = {
        name: str(label)
        for name, label in _FIGURES.items()
        if name != "gpu" or any(hours.gpu for hours in found.values())
    }
    return {
        "usage": [_usage_chart(name, label, found) for name, label in figures.items()],
        "usage_months": [
            (_name(month), [getattr(hours, name) for name in figures])
            for month, hours in reversed(found.items())
        ],
    }


def _usage_chart(name: str, label: str, found: dict[Month, Hours]) -> UsageChart:
    values = {month: getattr(hours, name) for month, hours in found.items()}
    places = [
        DataPoint((value,), f"{_name(month)}: {value:.1f}", formats.date_format(month.day, "M"))
        for month, value in values.items()
    ]
    this = list(values.values())[-1]
    summary = _("%(hours)s this month") % {"hours": f"{this:.1f}"}
    return UsageChart(label, this, column_chart(f"usage-{name}", label, summary, places))


def _name(month: Month) -> str:
    return formats.date_format(month.day, "F Y")


@never_cache
@require_safe
def export(request: HttpRequest) -> HttpResponseBase:
    """Stream ``/admin/usage.csv?by=person&from=2026-01&to=2026-03``; default: people, this month.

    The admin site routes it. Raises `PermissionDenied` unless the person may view sessions.
    """
    if not request.user.has_perm(VIEW_PERMISSION):
        raise PermissionDenied
    this = f"{Month.of(timezone.now())}"
    first = Month.parse(request.GET.get("from", this))
    last = Month.parse(request.GET.get("to", this))
    by = request.GET.get("by", GroupBy.PERSON)
    if (
        by not in GroupBy
        or first is None
        or last is None
        or not first <= last < first.plus(MAX_MONTHS)
    ):
        return HttpResponseBadRequest(
            _("Use by=person, group, repository or all, and months such as 2026-01, at most "
                "%(most)s: from=2026-01&to=2026-03.") % {"most": MAX_MONTHS},
            content_type="text/plain; charset=utf-8",
        )  # fmt: skip
    header = [
        _("month"),
        *_owner_columns(GroupBy(by)),
        _("sessions"),
        *(str(each) for each in _FIGURES.values()),
    ]
    return streaming.csv_response(
        f"usage-by-{by}", header, _pages(usage_rows(GroupBy(by), month_range(first, last)))
    )


def _owner_columns(by: GroupBy) -> list[str]:
    both = [GroupBy.PERSON, GroupBy.REPOSITORY] if by == GroupBy.ALL else [by]
    return [str(each.label) for each in both]


def _pages(found: Iterator[UsageRow]) -> Iterator[list[list[Any]]]:
    while page := list(islice(found, PAGE)):
        yield [_row(each) for each in page]


def _row(each: UsageRow) -> list[Any]:
    hours = (each.hours.cpu, each.hours.memory_gb, each.hours.gpu)
    return [f"{each.month}", *each.group, each.sessions, *(round(value, 3) for value in hours)]
