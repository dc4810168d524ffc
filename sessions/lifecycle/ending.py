"""How a session and a project end, whoever wants it: a person (`wishes`) or the portal itself
(`culling`, `idle`)."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from sessions import journal
from sessions.lifecycle.queue import enqueue
from sessions.models import Project, Session
from sessions.models.project import ProjectQuerySet
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


def remove(project: Project, rows: ProjectQuerySet, by: str, why: str) -> bool:
    """Remove the project if it is still among ``rows``, and say whether it was: a running
    notebook is stopped first, the person's volume stays."""
    with transaction.atomic():
        if not rows.existing().filter(pk=project.pk).update(removed=timezone.now()):
            return False
        if not end(project, by, why) and project.current:
            journal.record(project.current, Phase.STOPPED, why)
        enqueue("remove_project", project.pk)
    return True


def tell(project: Project, why: str) -> None:
    """Say in the project's story why the portal stops its notebook."""
    if project.current and project.current.state == SessionState.STOPPING:
        journal.record(project.current, Phase.STOPPED, why)
