"""Steps that take too long are ended, with a code and a sentence that says so."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from sessions import lifecycle
from sessions.backends import LOG_TRUNCATED
from sessions.clock import SteadyClock
from sessions.models import Build, Condition, LogChunk, Project, Session
from sessions.watch.reconcile import reconcile
from tests.fixtures import long_watched

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.one_database]


@pytest.fixture(autouse=True)
def limits(settings) -> None:
    settings.PORTAL_BUILD_TIMEOUT = 1800
    settings.PORTAL_BUILD_SILENCE = 1200
    settings.PORTAL_PREPARE_TIMEOUT = 600
    settings.PORTAL_SPAWN_TIMEOUT = 600
    settings.PORTAL_QUEUE_TIMEOUT = 7200
    settings.PORTAL_STOP_TIMEOUT = 120


@pytest.fixture
def building(project, worker) -> Build:
    """A build that is still running."""
    worker.run()
    return Build.objects.get()


def older(seconds: int) -> None:
    """Make everything look as if it had happened this many seconds earlier."""
    by = timedelta(seconds=seconds)
    for session in Session.objects.all():
        Session.objects.filter(pk=session.pk).update(changed=session.changed - by)
    for build in Build.objects.all():
        times = {name: getattr(build, name) for name in ("created", "started", "finished")}
        Build.objects.filter(pk=build.pk).update(**{n: at and at - by for n, at in times.items()})
    for chunk in LogChunk.objects.all():
        LogChunk.objects.filter(pk=chunk.pk).update(at=chunk.at - by)


def looked(elapsed: SteadyClock | None = None) -> Session:
    """Run the reconciler twice and return the session."""
    for _time in range(2):
        reconcile(elapsed or long_watched())
    return Session.objects.earliest("pk")


def code_after(seconds: int) -> str:
    older(seconds)
    return looked().code


def test_a_launch_whose_ref_is_not_resolved_times_out(project, worker):
    for _minute in range(9):
        older(60)
        worker.lose()
        assert looked().state == "waiting"
    older(70)
    session = looked()
    assert (session.state, session.code) == ("failed", "launch.timeout")
    assert "10 minutes" in session.message


def test_a_launch_queued_behind_another_build_may_wait_longer(project, worker):
    worker.lose()
    Session.objects.update(code="quota.builds", message="Waiting for another build.")
    assert code_after(3600) == "quota.builds"
    assert Session.objects.get().state == "waiting"
    older(3700)
    session = looked()
    assert (session.state, session.code) == ("failed", "quota.builds")
    assert "Waiting for another build." in session.message


def test_a_build_that_takes_too_long_is_ended(building, backend, watch):
    for _time in range(3):
        older(500)
        backend.say(building.pk, "It goes on.\n")
        watch.look()
        assert looked().state == "waiting"
    older(500)
    backend.say(building.pk, "It goes on.\n")
    session = looked()
    assert (session.state, session.code) == ("failed", "build.timeout")
    assert "30 minutes" in session.message
    assert backend.builds() == []
    assert Build.objects.get().chunks == 4


def test_a_silent_build_is_ended_before_its_time_limit(building, backend, watch):
    backend.say(building.pk, "I am going to be silent.\n")
    watch.look()
    older(1100)
    assert looked().state == "waiting"
    older(150)
    session = looked()
    assert (session.state, session.code) == ("failed", "build.silent")
    assert "20 minutes" in session.message
    assert backend.builds() == []


def test_a_build_with_a_truncated_log_does_not_count_as_silent(building, backend, watch):
    backend.say(building.pk, f"{LOG_TRUNCATED}\n")
    watch.look()
    assert code_after(1500) == ""
    assert code_after(500) == "build.timeout"


def test_a_build_waiting_for_a_machine_does_not_count_as_silent(building, backend, watch):
    backend.wait(building.pk, "build.no-room", "The cluster has no room.")
    watch.look()
    session = Session.objects.get()
    assert (session.state, session.code) == ("waiting", "build.no-room")
    assert list(session.events.filter(code="build.no-room").values_list("message", flat=True)) == [
        "The cluster has no room."
    ]
    assert code_after(5000) == "build.no-room"
    assert Session.objects.get().state == "waiting"


def test_the_build_time_limit_starts_when_a_machine_is_found(building, backend, watch):
    backend.wait(building.pk, "build.no-room", "The cluster has no room.")
    older(5000)
    looked()
    backend.wait(building.pk, "", "")
    watch.look()
    session = looked()
    assert (session.state, session.code) == ("waiting", "")
    assert session.events.last().message == "The build has started."
    assert code_after(1100) == ""


def test_a_build_that_never_gets_a_machine_fails(building, backend, watch):
    backend.wait(building.pk, "build.no-room", "The cluster has no room.")
    watch.look()
    older(7300)
    session = looked()
    assert (session.state, session.code) == ("failed", "build.no-room")
    assert "The cluster has no room." in session.message
    assert backend.builds() == []


def test_a_cancelled_build_that_keeps_running_is_killed(project, building, backend, worker, ada):
    backend.stubborn.add(building.pk)
    lifecycle.cancel(Project.objects.get(), ada)
    worker.run()
    looked()
    assert len(backend.builds()) == 1
    older(130)
    looked()
    assert backend.builds() == []


@pytest.fixture
def stopping(project, ada, backend, bring_up, worker, watch) -> Session:
    """A notebook that was told to stop and does not."""
    project = bring_up(project)
    session = Session.objects.get()
    backend.stubborn.add(session.pk)
    lifecycle.stop(project, ada)
    worker.run()
    watch.look()
    return session


def test_a_notebook_that_does_not_stop_is_killed(stopping, backend):
    older(100)
    assert looked().state == "stopping"
    older(30)
    session = looked()
    assert (session.state, session.code) == ("stopped", "")
    assert backend.servers() == []


def test_staff_are_told_of_a_notebook_that_survives_being_killed(stopping, backend, as_root):
    backend.undying.add(stopping.pk)
    older(130)
    assert looked().state == "stopping"
    assert Condition.objects.get(part="stops").problem == ""
    older(130)
    assert looked().state == "stopping"
    assert Condition.objects.get(part="stops").problem == "not even by force"
    assert "cannot be stopped, not even by force" in as_root.get("/admin/").text
    backend.undying.clear()
    assert looked().state == "stopped"
    looked()
    assert Condition.objects.get(part="stops").problem == ""


def test_a_clock_that_jumps_ahead_by_an_hour_fails_no_session(building, backend, watch, worker):
    ahead = [timedelta()]
    elapsed = SteadyClock(lambda: timezone.now() + ahead[0], began=float("-inf"))
    backend.finish(building.pk)
    watch.look()
    worker.run()
    older(60)
    ahead[0] = timedelta(hours=1)
    assert looked(elapsed).state == "spawning"
    older(600)
    assert looked(elapsed).code == "spawn.timeout"


def test_a_portal_that_was_down_for_a_week_fails_no_session(building, backend, watch, worker):
    backend.finish(building.pk)
    watch.look()
    worker.run()
    older(7 * 86_400)
    assert looked(SteadyClock()).state == "spawning"
    backend.answer(Session.objects.get().pk)
    older(7 * 86_400)
    assert looked().state == "ready"


def test_the_reconciler_works_after_the_clock_is_set_back(project, worker):
    worker.lose()
    Session.objects.update(changed=timezone.now() + timedelta(hours=1))
    looked()
    assert "prepare" in worker.run()
