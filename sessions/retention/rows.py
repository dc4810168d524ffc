"""Delete rows that nobody will read any more, in slices, counted for staff.

These are events, sessions, builds, deleted projects, and other records. Events of a project that
exists stay as long as its current session does. Sessions are the record of use that
`sessions.statistics.usage` adds up: operators who want to look back further keep them longer.

Build logs go by age, and the oldest first if all together are too large. One sentence that says so
replaces a log, at the log's end: a reader at an earlier place finds it, and cursors stay valid. A
log stays whole while a project that exists or can be restored shows it.
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
from django.db import transaction
from django.db.models import Exists, Model, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Length
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.models import Letter
from sessions.models import (
    Build,
    Event,
    LogChunk,
    Preview,
    Project,
    Removal,
    RemovalKind,
    Session,
)
from sessions.models.build import BuildQuerySet
from sessions.states import BUILD_ACTIVE, SESSION_LIVE, BuildState


class Deadline:
    """Seconds that a task may still take."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    @property
    def is_over(self) -> bool:
        """Return whether the time is up."""
        return time.monotonic() >= self._end


def cutoff(days: int, now: datetime | None = None) -> datetime | None:
    """Return the moment before which rows are deleted; None if ``days`` is 0: no limit."""
    return (now or timezone.now()) - timedelta(days=days) if days else None


def delete_in_batches(
    rows: QuerySet[Any],
    deadline: Deadline,
    kind: RemovalKind,
    *,
    days: int,
    name: str = "",
    batch_size: int,
) -> None:
    """Delete the rows, ``batch_size`` at a time, and record how many there were.

    Between two slices others can use the database: a long deletion holds up whoever writes.
    """
    count = 0
    while not deadline.is_over and (helping := _batch(rows, batch_size)):
        gone = rows.model._default_manager.filter(pk__in=helping).delete()[1]
        count += gone.get(rows.model._meta.label, 0)
    if count:
        why = _("Older than %(days)d days.") % {"days": days}
        Removal.objects.create(kind=kind, name=name, count=count, why=why)


def _batch(rows: QuerySet[Any], batch_size: int) -> Sequence[Any]:
    return list(rows.order_by("pk").values_list("pk", flat=True)[:batch_size])


LARGE_BATCH = 1000
SMALL_BATCH = 50
"""Rows per batch, where deleting each one deletes many others."""

OlderThan = Callable[[datetime], QuerySet[Any]]


def tidy_rows(deadline: Deadline) -> None:
    """Delete all rows that are due, until ``deadline`` at most."""
    event_days, session_days = settings.PORTAL_KEEP_EVENT_DAYS, settings.PORTAL_KEEP_SESSION_DAYS
    _delete_old(events, deadline, RemovalKind.EVENT, event_days, LARGE_BATCH)
    _delete_old(projects, deadline, RemovalKind.PROJECT, session_days, SMALL_BATCH)
    _delete_old(sessions, deadline, RemovalKind.SESSION, session_days, SMALL_BATCH)
    _delete_old(builds, deadline, RemovalKind.RECORD, session_days, SMALL_BATCH)
    for old in SIGN_IN_ATTEMPTS:
        _delete_old(old, deadline, RemovalKind.RECORD, event_days, LARGE_BATCH)
    for old in _records():
        _delete_old(old, deadline, RemovalKind.RECORD, session_days, LARGE_BATCH)
    Preview.objects.expired(timezone.now()).delete()
    ended = PortalSession.objects.filter(expire_date__lt=timezone.now())
    ended.filter(pk__in=list(ended.values_list("pk", flat=True)[:LARGE_BATCH])).delete()


def events(moment: datetime) -> QuerySet[Event]:
    """Return events before ``moment``.

    Events of current sessions of projects that exist or can be restored are left out.
    """
    kept = Project.objects.kept().filter(current=OuterRef("session"))
    return Event.objects.filter(~Exists(kept), at__lt=moment)


def projects(moment: datetime) -> QuerySet[Project]:
    """Return projects deleted before ``moment`` of which nothing is kept.

    All their rows go with them.
    """
    live = Session.objects.live().filter(project=OuterRef("pk"))
    return Project.objects.filter(~Exists(live), removed__lt=moment, drops=None)


def sessions(moment: datetime) -> QuerySet[Session]:
    """Return sessions that ended before ``moment``, except the last one of a kept project."""
    kept = Project.objects.kept().filter(current=OuterRef("pk"))
    return Session.objects.exclude(state__in=SESSION_LIVE).filter(~Exists(kept), ended__lt=moment)


def builds(moment: datetime) -> QuerySet[Build]:
    """Return builds that ended before ``moment``, left no image, and are mentioned nowhere."""
    there = Q(state=BuildState.BUILT) & ~Q(dropped=True, size=0)
    mentioned = Event.objects.filter(build=OuterRef("pk"))
    had = Session.objects.filter(build=OuterRef("pk"))
    ended = Build.objects.exclude(state__in=BUILD_ACTIVE).filter(finished__lt=moment)
    return ended.exclude(there).filter(~Exists(mentioned), ~Exists(had))


def _older_rows(model: type[Model], field: str) -> OlderThan:
    """Return a function for the rows of a model that are as old as the field says."""
    return lambda moment: model._default_manager.filter(**{f"{field}__lt": moment})


SIGN_IN_ATTEMPTS = tuple(
    _older_rows(each, "attempt_time") for each in (AccessAttempt, AccessFailureLog, AccessLog)
)
"""Sign-in attempts, with the addresses that they came from."""


def _records() -> Iterator[OlderThan]:
    """Yield who changed what, what was sent and removed, and which tasks failed.

    The model of the queue's results is looked up by its name: reading them is not enqueuing.
    """
    yield _older_rows(LogEntry, "timestamp")
    yield _older_rows(AdminEntry, "action_time")
    yield _older_rows(Letter, "created")
    yield _older_rows(Removal, "at")
    yield _older_rows(apps.get_model("django_q", "Task"), "stopped")


def _delete_old(
    old: OlderThan, deadline: Deadline, kind: RemovalKind, days: int, batch_size: int
) -> None:
    if moment := cutoff(days):
        rows = old(moment)
        named = str(rows.model._meta.verbose_name_plural) if kind == RemovalKind.RECORD else ""
        delete_in_batches(rows, deadline, kind, days=days, name=named, batch_size=batch_size)


def tidy_logs(deadline: Deadline) -> None:
    """Measure new logs, and remove those that are too old or too many."""
    _measure(deadline)
    days = settings.PORTAL_KEEP_LOG_DAYS
    if moment := cutoff(days):
        notice = _("The log was removed after %(days)d days.") % {"days": days}
        _remove(removable().filter(finished__lt=moment), None, notice, deadline)
    if max_bytes := settings.PORTAL_KEEP_LOGS_GB * 10**9:
        there = Build.objects.aggregate(there=Sum("log_size", default=0))["there"]
        notice = _("The log was removed because all logs together took more than %(gb)d GB.")
        values = {"gb": settings.PORTAL_KEEP_LOGS_GB}
        _remove(removable(), there - max_bytes, notice % values, deadline)


def removable() -> BuildQuerySet:
    """Return the builds that have a log that no project shows."""
    kept = Project.objects.kept().filter(current__build=OuterRef("pk"))
    return Build.objects.exclude(state__in=BUILD_ACTIVE).filter(~Exists(kept), log_size__gt=0)


def _measure(deadline: Deadline) -> None:
    uncounted = Build.objects.exclude(state__in=BUILD_ACTIVE).filter(log_size=None)
    uncounted.filter(chunks=0).update(log_size=0)
    for pk in uncounted.order_by("pk").values_list("pk", flat=True).iterator():
        if deadline.is_over:
            return
        texts = LogChunk.objects.filter(build=pk)
        size = texts.aggregate(size=Sum(Length("text"), default=0))["size"]
        Build.objects.filter(pk=pk, log_size=None).update(log_size=size)


def _remove(rows: BuildQuerySet, max_bytes: int | None, notice: str, deadline: Deadline) -> None:
    """Remove the oldest logs until ``max_bytes`` bytes are gone; all of them if it is None."""
    count = size = 0
    for pk, log_size in list(rows.order_by("finished", "pk").values_list("pk", "log_size")):
        if deadline.is_over or (max_bytes is not None and size >= max_bytes):
            break
        if _replace(pk, notice):
            count, size = count + 1, size + (log_size or 0)
    if count:
        Removal.objects.create(kind=RemovalKind.LOG, count=count, size=size, why=notice)


@transaction.atomic
def _replace(pk: int, notice: str) -> bool:
    """Leave the notice in place of the log; return False if it is gone already, or shown by now."""
    if not removable().filter(pk=pk).update(log_size=0):
        return False
    chunks = LogChunk.objects.filter(build=pk)
    last = chunks.order_by("-seq").first()
    if last is not None:
        chunks.filter(seq__lt=last.seq).delete()
        chunks.filter(pk=last.pk).update(text=notice, at=timezone.now())
    return True
