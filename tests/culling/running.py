"""Make projects whose notebooks are ready, straight in the database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from portal.models import User
from sessions.models import Project, Session
from tests.gateway.conftest import make_project

NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
BEFORE = NOW - timedelta(days=3)


def running(owner: User, name: str = "p", address: str = "unix:/nowhere") -> Session:
    """Return a session whose notebook is at this address, last used at `BEFORE` and soon to
    expire.
    """
    fields = {"last_activity": BEFORE, "warned": BEFORE, "goes": NOW}
    session = make_project(owner, name, address, **fields).current
    assert session
    return session


def use_of(session: Session) -> tuple[datetime, bool]:
    """Return when the session's project was last used, and whether it is still due for deletion."""
    project = Project.objects.get(pk=session.project_id)
    assert (project.warned is None) is (project.goes is None)
    return project.last_activity, project.goes is not None


def answer_of(session: Session) -> tuple[datetime | None, bool]:
    """Return when the notebook last answered, and whether it was computing then."""
    session.refresh_from_db()
    return session.asked, session.busy
