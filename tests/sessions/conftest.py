"""Fixtures: a git server, and a worker that runs every task twice."""

from __future__ import annotations

import pytest
from django.utils.module_loading import import_string
from django_q.models import OrmQ

from portal.models import Installation, User
from portal.models.installation import new_id
from sessions import lifecycle
from sessions.clock import SteadyClock
from sessions.installation.known import advance_sequence
from sessions.lifecycle import observations
from sessions.models import Build, Project, Session
from tests.githttp import GitServer
from tests.scripted import ScriptedBackend


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
    there are rows for."""
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
