"""Remove build logs: by age, and the oldest first if all together are too large.

One sentence that says so replaces a log, at the log's end: a reader at an earlier place finds it,
and cursors stay valid. A log stays whole while a project that exists or can be restored shows it.
"""

from __future__ import annotations

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Sum
from django.db.models.functions import Length
from django.utils import timezone
from django.utils.translation import gettext as _

from sessions.models import Build, LogChunk, Project, Removal, Removed
from sessions.models.build import BuildQuerySet
from sessions.retention.rows import Patience, before
from sessions.states import BUILD_ACTIVE


def tidy(patience: Patience) -> None:
    """Measure new logs, and remove those that are too old or too many."""
    _count(patience)
    days = settings.PORTAL_KEEP_LOG_DAYS
    if moment := before(days):
        notice = _("The log was removed after %(days)d days.") % {"days": days}
        _remove(removable().filter(finished__lt=moment), None, notice, patience)
    if most := settings.PORTAL_KEEP_LOGS_GB * 10**9:
        there = Build.objects.aggregate(there=Sum("log_size", default=0))["there"]
        notice = _("The log was removed because all logs together took more than %(gb)d GB.")
        values = {"gb": settings.PORTAL_KEEP_LOGS_GB}
        _remove(removable(), there - most, notice % values, patience)


def removable() -> BuildQuerySet:
    """Return the builds that have a log that no project shows."""
    shown = Project.objects.kept().filter(current__build=OuterRef("pk"))
    return Build.objects.exclude(state__in=BUILD_ACTIVE).filter(~Exists(shown), log_size__gt=0)


def _count(patience: Patience) -> None:
    uncounted = Build.objects.exclude(state__in=BUILD_ACTIVE).filter(log_size=None)
    uncounted.filter(chunks=0).update(log_size=0)
    for pk in uncounted.order_by("pk").values_list("pk", flat=True).iterator():
        if patience.is_over:
            return
        texts = LogChunk.objects.filter(build=pk)
        size = texts.aggregate(size=Sum(Length("text"), default=0))["size"]
        Build.objects.filter(pk=pk, log_size=None).update(log_size=size)


def _remove(rows: BuildQuerySet, enough: int | None, notice: str, patience: Patience) -> None:
    """Remove the oldest logs until ``enough`` bytes are gone; all of them if it is None."""
    count = size = 0
    for pk, log_size in list(rows.order_by("finished", "pk").values_list("pk", "log_size")):
        if patience.is_over or (enough is not None and size >= enough):
            break
        if _replace(pk, notice):
            count, size = count + 1, size + (log_size or 0)
    if count:
        Removal.objects.create(kind=Removed.LOG, count=count, size=size, why=notice)


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
