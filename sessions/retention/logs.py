"""Logs of builds that go: by age, and the oldest first where all together are too large.

In the place of a log stays one sentence that says so, at the log's end: so whoever reads on from
an earlier place in it finds that, and cursors stay what they are. A log stays whole while a
project shows it that exists or can be restored.
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
    """Count the logs that are new, and remove those that are old or too many."""
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
    """The builds whose log is there and shown by no project."""
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
    """Remove the oldest logs until ``enough`` bytes are gone, or all of them."""
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
    """Leave the notice where the log was; False if somebody else has, or it is shown by now."""
    if not removable().filter(pk=pk).update(log_size=0):
        return False
    chunks = LogChunk.objects.filter(build=pk)
    last = chunks.order_by("-seq").first()
    if last is not None:
        chunks.filter(seq__lt=last.seq).delete()
        chunks.filter(pk=last.pk).update(text=notice, at=timezone.now())
    return True
