"""End sessions and projects.

A person asks for it (`commands`), or the portal does so itself (`sessions.culling.cull`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from portal.models import User
from sessions.culling.policy import WARNING
from sessions.lifecycle.queue import enqueue
from sessions.models import Project, Session
from sessions.models.project import ProjectQuerySet
from sessions.progress import journal
from sessions.states import Phase, SessionState

PORTAL = "portal"
"""The actor named where no person asked for the change."""


def end(project: Project, by: str, why: str) -> bool:
    """Move the project's live session toward its end; return False if none is live.

    A session that is being stopped has ended only when its server has ended.
    """
    with transaction.atomic():
        live = Session.objects.live().filter(project=project)
        session = live.select_for_update().first()
        if session is None:
            return False
        _end(session, by, why)
    project.current = Session.objects.select_related("build").get(pk=session.pk)
    return True


def _end(session: Session, by: str, why: str) -> None:
    """Advance the session from the state that the caller has locked."""
    advance = Session.objects.advance
    if session.state == SessionState.WAITING:
        advance(session.pk, SessionState.STOPPED, by=by, why=why, ended=timezone.now())
        journal.record(session, Phase.STOPPED, why)
        if session.build_id:
            enqueue("cancel_unwanted_build", session.build_id)
    elif advance(session.pk, SessionState.STOPPING, by=by, why=why):
        enqueue("remove_server", session.pk)


def remove(project: Project, rows: ProjectQuerySet, by: str, why: str, keep: timedelta) -> bool:
    """Delete the project if it is still among ``rows``; return whether it was.

    A running notebook is stopped first; the person's volume stays. The project can be restored for
    the time ``keep``; if that is zero, it is gone at once.
    """
    now = timezone.now()
    with transaction.atomic():
        if not rows.existing().filter(pk=project.pk).update(removed=now, drops=now + keep):
            return False
        if not end(project, by, why) and project.current:
            journal.record(project.current, Phase.STOPPED, why)
        if not keep:
            enqueue("remove_project", project.pk)
    return True


def let_go(project: Project, why: str) -> bool:
    """Have the back end drop what it keeps of a deleted project.

    Return False if the project can no longer be restored anyway.
    """
    with transaction.atomic():
        if not Project.objects.filter(pk=project.pk).let_go():
            return False
        if project.current:
            journal.record(project.current, Phase.STOPPED, why)
        enqueue("remove_project", project.pk)
    return True


def let_go_due(since: datetime, by_provider: Mapping[str, datetime | None], now: datetime) -> int:
    """Let go of the projects whose time to be restored is over; return how many there were.

    A project counts only if its owner has had a whole day to restore it: the portal has been up
    since ``since``, and the owner's identity provider since the moment in ``by_provider`` (None
    while it is away).
    """
    day_before = now - WARNING
    if since > day_before:
        return 0
    away = [issuer for issuer, moment in by_provider.items() if not moment or moment > day_before]
    due = Project.objects.filter(drops__lte=now)
    return due.exclude(owner__in=User.objects.filter(issuer__in=away)).let_go()


def tell(project: Project, why: str) -> None:
    """Record on the project's timeline why the portal stops its notebook."""
    if project.current and project.current.state == SessionState.STOPPING:
        journal.record(project.current, Phase.STOPPED, why)
