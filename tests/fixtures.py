"""Fixtures that many folders use: a git server, a worker that runs every task twice, a mail server,
and one row of every model in the admin. `tests/conftest.py` offers them to all tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Group
from django.db.models import Model
from django.utils import timezone
from django.utils.module_loading import import_string
from django_q.models import OrmQ

from keys.models import KnownHost, Token
from portal.models import Announcement, Erasure, Installation, Letter, User
from portal.models.installation import new_id
from quotas.models import Grant, LimitRequest, LimitSet, Profile, SupportBounds
from sessions import lifecycle
from sessions.clock import SteadyClock
from sessions.installation.known import advance_sequence
from sessions.lifecycle import observations
from sessions.models import Build, Project, Removal, RepositoryRule, Session, SetAside
from sessions.states import ProjectState
from tests.githttp import GitServer
from tests.scripted import ScriptedBackend
from tests.smtp import MailServer
from tests.stages import project_in


@pytest.fixture
def git(git_server: GitServer, settings) -> GitServer:
    settings.PORTAL_TRUSTED_GIT_HOSTS = [git_server.host]
    return git_server


@pytest.fixture
def url(git: GitServer) -> str:
    """A plain repository of ada's."""
    return git.repository("ada/flowers", {"index.ipynb": "{}"})


@pytest.fixture
def project(ada: User, url: str, backend: ScriptedBackend) -> Project:
    """A project that ada has launched, before any task has run."""
    return lifecycle.launch(ada, url)


def long_watched() -> SteadyClock:
    """The elapsed time of a watch that has been running all the time."""
    return SteadyClock(began=float("-inf"))


class Worker:
    """Runs queued tasks, each twice: delivery is at least once."""

    def run(self) -> list[str]:
        done = []
        while rows := list(OrmQ.objects.order_by("id")):
            for row in rows:
                task = row.task
                row.delete()
                for _time in range(2):
                    import_string(task["func"])(*task["args"], **task["kwargs"])
                done.append(task["func"].rpartition(".")[2])
        return done

    def lose(self) -> None:
        OrmQ.objects.all().delete()


@pytest.fixture
def worker(transactional_db) -> Worker:
    return Worker()


class Watch:
    """Reports the state of the back end to the portal, twice."""

    def __init__(self, backend: ScriptedBackend) -> None:
        self.backend = backend

    def look(self) -> None:
        for _time in range(2):
            for build in self.backend.builds():
                observations.handle_build_report(build)
            for server in self.backend.servers():
                observations.handle_server_report(server)


@pytest.fixture
def watch(backend: ScriptedBackend) -> Watch:
    return Watch(backend)


@pytest.fixture
def settled(backend: ScriptedBackend, transactional_db) -> ScriptedBackend:
    """The back end of a long-running portal: database and place bear one id, and more has run than
    there are rows for.
    """
    Installation.objects.set_id(backend.ensure_installation(new_id()))
    for model in (Session, Build):
        advance_sequence(model, 1000)
    return backend


@pytest.fixture
def bring_up(backend, worker, watch):
    """Return a function that takes a project to a running notebook, with a build if needed."""

    def up(project: Project) -> Project:
        worker.run()
        for build in Build.objects.active():
            backend.finish(build.pk)
        watch.look()
        worker.run()
        backend.answer(project.current.pk)
        watch.look()
        return Project.objects.get(pk=project.pk)

    return up


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
        Profile.objects.create(title="GPU nodes (A100)", use="gpu", gpu_type="a100"),
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
