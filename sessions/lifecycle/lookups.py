"""Looking a launch's commit up, beside the worker's short tasks: see `lanes`.

`steps.prepare` does it. Where nobody has to be asked, it is as short as any other task.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings
from django.db import connections

from sessions.lifecycle import needs, steps
from sessions.lifecycle.lanes import Lane, Work
from sessions.models import Project, Session
from sessions.states import SessionState

AT_ONCE, OF_HOST, OF_PERSON = 8, 3, 1
"""In each process of a worker, of which there are four: a launch takes two seconds of a server that
is well and at most fifty of one that is not."""

_lane = Lane(AT_ONCE, OF_HOST, OF_PERSON)


def prepare(session_id: int) -> None:
    """Find the commit of a waiting session, and its build; return at once where a server has to be
    asked for it."""
    rows = Session.objects.filter(pk=session_id, state=SessionState.WAITING, build=None)
    session = rows.select_related("project").first()
    if session is None:
        return
    if settings.IN_WORKER and _asks(session):
        _lane.take(_work(session.pk, session.project))
    else:
        steps.prepare(session_id)


def _asks(session: Session) -> bool:
    """Whether the repository's server may have to be asked for something: which commit it is, what
    it holds, or whether it is the repository's own."""
    project = session.project
    named = project.ref == project.commit
    return session.force_build or named or needs.known(project, project.commit) is None


def _work(session_id: int, project: Project) -> Work:
    def do() -> None:
        try:
            steps.prepare(session_id)
        finally:
            connections.close_all()  # this thread's

    host = urlsplit(project.url).hostname or ""
    return Work(session_id, host, project.owner_id, do)
