"""Fixtures: a mail server to send letters through, and one row of every model in the admin."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Group
from django.db.models import Model
from django.utils import timezone

from keys.models import KnownHost, Token
from portal.models import Announcement, Erasure, Installation, Letter, User
from quotas.models import Grant, LimitRequest, LimitSet, SupportBounds
from sessions.models import Removal, RepositoryRule, SetAside
from sessions.states import ProjectState
from tests.smtp import MailServer
from tests.stages import project_in


@pytest.fixture
def server(settings) -> Iterator[MailServer]:
    """The portal's own mail server; without it, no letter is written."""
    with MailServer() as server:
        settings.PORTAL_EMAIL_URL = f"smtp://127.0.0.1:{server.port}"
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", server.port
        settings.DEFAULT_FROM_EMAIL = "Bindery <bindery@example.org>"
        yield server


@pytest.fixture
def things(ada, backend, root) -> dict[type[Model], Model]:
    """One row of every model in the admin."""
    soon = timezone.localdate() + timedelta(days=3)
    project = project_in(ProjectState.READY, ada)
    ada.limit_set = LimitSet.objects.create(user=ada, projects=8)
    made: list[Any] = [
        Announcement.objects.create(text="On Friday we move."),
        Letter.objects.create(key="one", to=ada, subject="Granted"),
        LimitSet.objects.create(),
        SupportBounds.objects.create(projects=10),
        Grant.objects.create(user=ada, limit="projects", value=9, until=soon, reason="course"),
        LimitRequest.objects.create(user=ada, limit="running", value=9, until=soon, why="course"),
        Token.objects.issue(ada, "laptop")[0],
        RepositoryRule.objects.create(pattern="github.com/evil/*"),
        Removal.objects.create(kind="event", count=3, why="Older than 180 days."),
        SetAside.objects.create(aside="nobodys-1.20261130T120000Z-abcdef", name="nobodys-1"),
        Installation.objects.create(id="a" * 32),
        Group.objects.create(name="physics"),
        Erasure.objects.create(username="0" * 64, volume="somebody-nfs-pvc"),
        KnownHost.objects.create(
            host="git.example.org", key="ssh-ed25519 AAAA", fingerprint="SHA256:x"
        ),
        project,
        project.current,
        project.current.build,
    ]
    rows = {type(each): each for each in made}
    return {**rows, User: ada, LogEntry: LogEntry.objects.earliest()}
