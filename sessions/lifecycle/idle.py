"""Stopping notebooks that nobody uses, long before their project goes: only where the operator
wants it (``PORTAL_STOP_IDLE_HOURS``). The project stays, and starts again with a click."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.utils.translation import ngettext

from sessions.lifecycle import ending
from sessions.models import Project, Session
from sessions.states import SessionState
from sessions.unbroken import answered_by

STOPPED_AT_ONCE = 100


def stop(since: datetime, now: datetime) -> None:
    """End those that have been idle for so long, all of it while the portal looked: ``since``
    then there was no break."""
    hours = settings.PORTAL_STOP_IDLE_HOURS
    long_ago = now - timedelta(hours=hours)
    if not hours or since > long_ago:
        return
    running = Session.objects.filter(state=SessionState.READY, asked__range=answered_by())
    unused = running.filter(ready__lte=long_ago, project__last_activity__lte=long_ago)
    for session in unused.select_related("project")[:STOPPED_AT_ONCE]:
        _stop(session.project, hours)


def _stop(project: Project, hours: int) -> None:
    """Unless somebody has done something with it since it was looked at."""
    why = ngettext(
        "Stopped after %(hours)d hour without use. The project stays: start it again at any time.",
        "Stopped after %(hours)d hours without use. The project stays: start it again at any time.",
        hours,
    ) % {"hours": hours}
    with transaction.atomic():
        unchanged = Project.objects.filter(pk=project.pk, last_activity=project.last_activity)
        if unchanged.select_for_update().first() and ending.end(project, ending.PORTAL, why):
            ending.tell(project, why)
