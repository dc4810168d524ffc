"""Small helpers for tests of several packages: rows without a back end, days, clients."""

from __future__ import annotations

import re
from datetime import date, timedelta

from django.test import Client
from django.utils import timezone

from keys.models import SCOPES, Token
from portal.models import User
from sessions.backends import LogLines
from sessions.models import Build, Project, Session
from sessions.progress import journal


def with_token(user: User, *scopes: str) -> Client:
    """Return a client with this person's token, which has all scopes or only these."""
    secret = Token.objects.issue(user, "test", scopes or tuple(SCOPES))[1]
    return Client(headers={"Authorization": f"Bearer {secret}"})


def in_days(days: int) -> date:
    return timezone.localdate() + timedelta(days=days)


def words_of(client: Client, address: str = "/account/") -> str:
    """Return the text of a page without its tags."""
    text = client.get(address).content.decode()
    return " ".join(re.sub(r"<[^>]+>", " ", text).split())


def project_of(owner: User, name: str = "flowers") -> Project:
    """Return a project that has never run."""
    return Project.objects.create(owner=owner, name=name, provider="git", url="u")


def session_of(owner: User, name: str = "flowers") -> Session:
    """Return the waiting session of a new project."""
    project = project_of(owner, name)
    session = Session.objects.create(
        project=project, cpu_request=1, cpu_limit=1, memory_request_gb=1, memory_limit_gb=1
    )
    Project.objects.filter(pk=project.pk).update(current=session)
    return session


def say(build: Build, *texts: str) -> None:
    """Add output to a build, each text as a piece of its own."""
    build.refresh_from_db()
    for text in texts:
        assert journal.append(build, LogLines("building", text, build.position + "x"))
