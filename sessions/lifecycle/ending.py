"""How a session and a project end, whoever wants it: a person (`commands`) or the portal itself
(`sessions.culling.cull`, `sessions.culling.cull`)."""

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
"""Who does what no person asked for."""


def end(project: Project, by: str, why: str) -> bool:
    """Move the live session toward its end; False if none is live. One that is being stopped
    already has ended when its server has, and not before."""
    with transaction.atomic():
        live = Session.objects.live().filter(project=project)
        session = live.select_for_update().first()
        if session is None:
            return False
        _end(session, by, why)
    project.current = Session.objects.select_related("build").get(pk=session.pk)
    return True


def _end(session: Session, by: str, why: str) -> None:
    """Take the step from the state that the caller has locked."""
    advance = Session.objects.advance
    if session.state == SessionState.WAITING:
        advance(session.pk, SessionState.STOPPED, by=by, why=why, ended=timezone.now())
        journal.record(session, Phase.STOPPED, why)
        if session.build_id:
            enqueue("cancel_unwanted_build", session.build_id)
    elif advance(session.pk, SessionState.STOPPING, by=by, why=why):
        enqueue("remove_server", session.pk)


def remove(project: Project, rows: ProjectQuerySet, by: str, why: str, keep: timedelta) -> bool:
    """Remove the project if it is still among ``rows``, and say whether it was: a running
    notebook is stopped first, the person's volume stays. For ``keep`` it can be restored, with
    none it is gone at once."""
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
    """Have the back end drop what it keeps of a project that was deleted; False if that can
    be restored no more already."""
    with transaction.atomic():
        if not Project.objects.filter(pk=project.pk).let_go():
            return False
        if project.current:
            journal.record(project.current, Phase.STOPPED, why)
        enqueue("remove_project", project.pk)
    return True


def let_go_due(since: datetime, by_provider: Mapping[str, datetime | None], now: datetime) -> int:
    """Let go what nobody has restored in time, and say how many there were: of people who have had
    a whole day in which they could. The portal has been there since ``since``, the provider by
    which somebody signs in since what ``by_provider`` says, None while it is away."""
    day_before = now - WARNING
    if since > day_before:
        return 0
    away = [issuer for issuer, moment in by_provider.items() if not moment or moment > day_before]
    due = Project.objects.filter(drops__lte=now)
    return due.exclude(owner__in=User.objects.filter(issuer__in=away)).let_go()


def tell(project: Project, why: str) -> None:
    """Say in the project's story why the portal stops its notebook."""
    if project.current and project.current.state == SessionState.STOPPING:
        journal.record(project.current, Phase.STOPPED, why)
