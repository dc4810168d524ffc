"""Delete old rows in slices, counted for staff.

How rows go: some at a time, while there is time, counted for staff.

Rows that nobody will read any more: events, sessions, deleted projects, and other records.

Events of a project that exists stay as long as its current session does. Sessions are the record
of use that `sessions.statistics.usage` adds up: whoever wants to look back further keeps them
longer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from auditlog.models import LogEntry
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.apps import apps
from django.conf import settings
from django.contrib.admin.models import LogEntry as AdminEntry
from django.contrib.sessions.models import Session as PortalSession
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.models import Letter
from sessions.models import Build, Event, Project, Removal, Removed, Session
from sessions.states import BUILD_ACTIVE, SESSION_LIVE, BuildState


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


MANY = 1000
FEW = 50
"""At a time, of what takes much else along."""

Old = Callable[[datetime], QuerySet[Any]]


def tidy(patience: Patience) -> None:
    """All of them, as far as there is time."""
    event_days, session_days = settings.PORTAL_KEEP_EVENT_DAYS, settings.PORTAL_KEEP_SESSION_DAYS
    _sweep(events, patience, Removed.EVENT, event_days, MANY)
    _sweep(projects, patience, Removed.PROJECT, session_days, FEW)
    _sweep(sessions, patience, Removed.SESSION, session_days, FEW)
    _sweep(builds, patience, Removed.RECORD, session_days, FEW)
    for old in ATTEMPTS:
        _sweep(old, patience, Removed.RECORD, event_days, MANY)
    for old in _records():
        _sweep(old, patience, Removed.RECORD, session_days, MANY)
    ended = PortalSession.objects.filter(expire_date__lt=timezone.now())
    ended.filter(pk__in=list(ended.values_list("pk", flat=True)[:MANY])).delete()


def events(moment: datetime) -> QuerySet[Event]:
    """Those before it, without the current sessions' of projects that exist or are set aside."""
    shown = Project.objects.kept().filter(current=OuterRef("session"))
    return Event.objects.filter(~Exists(shown), at__lt=moment)


def projects(moment: datetime) -> QuerySet[Project]:
    """Those that were deleted before it and of which nothing is kept; with them goes all that
    was theirs."""
    live = Session.objects.live().filter(project=OuterRef("pk"))
    return Project.objects.filter(~Exists(live), removed__lt=moment, drops=None)


def sessions(moment: datetime) -> QuerySet[Session]:
    """Those that ended before it; the last one of a project that exists or is set aside stays."""
    shown = Project.objects.kept().filter(current=OuterRef("pk"))
    return Session.objects.exclude(state__in=SESSION_LIVE).filter(~Exists(shown), ended__lt=moment)


def builds(moment: datetime) -> QuerySet[Build]:
    """Those that ended before it, have left no image, and are nowhere told of any more."""
    there = Q(state=BuildState.BUILT) & ~Q(dropped=True, size=0)
    told = Event.objects.filter(build=OuterRef("pk"))
    had = Session.objects.filter(build=OuterRef("pk"))
    ended = Build.objects.exclude(state__in=BUILD_ACTIVE).filter(finished__lt=moment)
    return ended.exclude(there).filter(~Exists(told), ~Exists(had))


def _of(model: type[Model], field: str) -> Old:
    """The rows of a model that are as old as the field says."""
    return lambda moment: model._default_manager.filter(**{f"{field}__lt": moment})


ATTEMPTS = tuple(_of(each, "attempt_time") for each in (AccessAttempt, AccessFailureLog, AccessLog))
"""Of signing in: with the addresses that they came from."""


def _records() -> Iterator[Old]:
    """Who changed what, what was sent and removed, and which tasks failed. The queue's results are
    looked up by their name: to read them is no enqueuing."""
    yield _of(LogEntry, "timestamp")
    yield _of(AdminEntry, "action_time")
    yield _of(Letter, "created")
    yield _of(Removal, "at")
    yield _of(apps.get_model("django_q", "Task"), "stopped")


def _sweep(old: Old, patience: Patience, kind: Removed, days: int, most: int) -> None:
    if moment := before(days):
        rows = old(moment)
        named = str(rows.model._meta.verbose_name_plural) if kind == Removed.RECORD else ""
        sweep(rows, patience, kind, days=days, name=named, most=most)
