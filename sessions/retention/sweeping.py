"""How rows go: some at a time, while there is time, counted for staff."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from sessions.models import Removal, Removed


class Patience:
    """Seconds that a task may still take."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self._end


def before(days: int, now: datetime | None = None) -> datetime | None:
    """What is older than that goes; None where ``days`` is no bound."""
    return (now or timezone.now()) - timedelta(days=days) if days else None


def sweep(
    rows: QuerySet[Any], patience: Patience, kind: Removed, *, days: int, name: str = "", most: int
) -> None:
    """Delete the rows, ``most`` at a time, and say how many there were.

    Between two helpings the database is everybody's: a long deletion holds up whoever writes.
    """
    count = 0
    while not patience.is_over and (helping := _helping(rows, most)):
        gone = rows.model._default_manager.filter(pk__in=helping).delete()[1]
        count += gone.get(rows.model._meta.label, 0)
    if count:
        why = _("Older than %(days)d days.") % {"days": days}
        Removal.objects.create(kind=kind, name=name, count=count, why=why)


def _helping(rows: QuerySet[Any], most: int) -> Sequence[Any]:
    return list(rows.order_by("pk").values_list("pk", flat=True)[:most])
