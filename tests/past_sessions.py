"""Past sessions, at any time and with any resources: rows only, nothing runs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.utils import timezone

from portal.models import User
from sessions.models import Project, Session
from sessions.states import SessionState


def ran(
    owner: User,
    ready: datetime | None,
    ended: datetime | None,
    *,
    repository: str = "github.com/ada/flowers",
    **more: Any,
) -> Session:
    """Make a session that was ready between these times; 2 CPUs, 4 GB and no GPU by default."""
    number = Session.objects.count() + 1
    about = {"provider": "github", "repository": repository, "url": f"https://{repository}.git"}
    project = Project.objects.create(owner=owner, name=f"{owner.username}-{number}", **about)
    resources = {"cpu_request": 2, "cpu_limit": 8, "memory_request_gb": 4, "memory_limit_gb": 16}
    state = SessionState.READY if ended is None else SessionState.STOPPED
    times: dict[str, Any] = {"created": ready or ended or timezone.now(), "ready": ready}
    times |= {"ended": ended, "state": state}
    session = Session.objects.create(project=project, **{**resources, **times, **more})
    Project.objects.filter(pk=project.pk).update(current=session)
    return session
