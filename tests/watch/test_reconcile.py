"""Whichever task or report is lost, a minute later everything is as it should be."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from sessions import lifecycle
from sessions.backends import ServerReport
from sessions.models import Build, Project, Session
from sessions.watch.reconcile import reconcile
from tests.fixtures import long_watched

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def a_minute_later(worker):
    """Return a function that loses the queue, runs the reconciler twice, and then the worker."""

    def pass_by(minutes: int = 1) -> None:
        worker.lose()
        moment = timezone.now() - timedelta(minutes=minutes)
        Session.objects.update(changed=moment)
        reconcile(long_watched())
        reconcile(long_watched())
        worker.run()

    return pass_by


def state() -> str:
    return Project.objects.get().state


def test_every_lost_task_is_queued_again(ada, url, backend, watch, a_minute_later):
    lifecycle.launch(ada, url)
    a_minute_later()
    assert state() == "building"
    Build.objects.update(state="pending")
    backend.build_reports.clear()
    a_minute_later()
    assert state() == "building"
    backend.finish(Build.objects.get().pk)
    watch.look()
    a_minute_later()
    backend.answer(Session.objects.get().pk)
    watch.look()
    assert state() == "ready"
    lifecycle.stop(Project.objects.get(), ada)
    a_minute_later()
    a_minute_later()
    assert state() == "stopped"
    assert backend.server_reports == {}


def test_sessions_that_missed_the_end_of_their_build_continue(
    ada, url, backend, worker, a_minute_later
):
    lifecycle.launch(ada, url)
    worker.run()
    build = Build.objects.get()
    backend.finish(build.pk)
    Build.objects.update(state="built")
    a_minute_later()
    assert state() == "spawning"


def test_a_build_that_is_missing_in_the_back_end_is_restarted(
    ada, url, backend, worker, a_minute_later
):
    lifecycle.launch(ada, url)
    worker.run()
    backend.build_reports.clear()
    a_minute_later()
    assert backend.builds_started == 2


def test_a_running_session_without_a_server_fails(ada, url, backend, worker, watch, a_minute_later):
    lifecycle.launch(ada, url)
    worker.run()
    backend.finish(Build.objects.get().pk)
    watch.look()
    worker.run()
    backend.answer(Session.objects.get().pk)
    watch.look()
    backend.server_reports.clear()
    a_minute_later()
    assert state() == "failed"
    assert Session.objects.get().message


def test_a_start_that_takes_too_long_times_out(ada, url, backend, worker, watch, a_minute_later):
    lifecycle.launch(ada, url)
    worker.run()
    backend.finish(Build.objects.get().pk)
    watch.look()
    worker.run()
    a_minute_later(11)
    a_minute_later()
    session = Session.objects.earliest("pk")
    assert session.code == "spawn.timeout"
    assert session.pk not in backend.server_reports


def test_orphaned_servers_are_stopped_and_their_projects_set_aside(ada, settled, a_minute_later):
    Project.objects.create(owner=ada, name="flowers-1", provider="git", url="u")
    settled.server_reports[99] = ServerReport(99, "nobodys", "ready")
    settled.kept_projects |= {"flowers-1", "nobodys"}
    for _time in range(2):
        a_minute_later()
    assert settled.server_reports == {}
    assert settled.projects() == ["flowers-1"]
    assert list(settled.kept_aside.values()) == ["nobodys"]


def test_a_running_session_is_left_alone(ada, url, backend, worker, watch, a_minute_later):
    lifecycle.launch(ada, url)
    worker.run()
    backend.finish(Build.objects.get().pk)
    watch.look()
    worker.run()
    backend.answer(Session.objects.get().pk)
    watch.look()
    for _time in range(3):
        a_minute_later()
    assert state() == "ready"
    assert len(backend.server_reports) == 1
    assert backend.projects() == [Project.objects.get().name]
