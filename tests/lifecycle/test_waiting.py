"""A notebook that waits while it starts: what its owner is told, and how long it may wait."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from sessions import lifecycle
from sessions.backends import ServerReport
from sessions.backends.messages import NO_GPU, NO_ROOM
from sessions.errors import BackendAway, BackendRefuses, NoRoom, TemporaryError
from sessions.lifecycle import builds, observations
from sessions.models import Build, Session
from sessions.watch.reconcile import reconcile
from tests.fixtures import long_watched
from tests.scripted import ScriptedBackend

pytestmark = pytest.mark.django_db(transaction=True)

PULL = "spawn.image-pull"


@pytest.fixture
def project(ada, url, backend, worker, watch):
    """A project whose notebook is starting."""
    project = lifecycle.launch(ada, url)
    worker.run()
    backend.finish(Build.objects.get().pk)
    watch.look()
    worker.run()
    assert Session.objects.get().state == "spawning"
    return project


@pytest.fixture
def say(backend, watch):
    """Return a function that has the back end report what the notebook waits for; watch sees it
    twice.
    """

    def say(code: str = "", message: str = "") -> None:
        number = Session.objects.get().pk
        name = backend.started_servers[number].name
        report = ServerReport(number, name, "starting", code=code, message=message)
        backend.server_reports[number] = report
        watch.look()

    return say


@pytest.fixture
def later(settings):
    """Return a function that looks again when a session has not changed for so many seconds."""
    settings.PORTAL_SPAWN_TIMEOUT, settings.PORTAL_QUEUE_TIMEOUT = 600, 3600

    def later(seconds: int) -> Session:
        Session.objects.update(changed=timezone.now() - timedelta(seconds=seconds))
        reconcile(long_watched())
        reconcile(long_watched())
        return Session.objects.earliest("pk")

    return later


class Unreachable(ScriptedBackend):
    """A back end that cannot say which images exist."""

    def has_image(self, image: str) -> bool:
        raise TemporaryError("registry.unreachable", "The registry does not answer.")


def told(project) -> list[tuple[str, str]]:
    """Return code and sentence of each event since the start began."""
    events = list(project.events.filter(phase="launching").values_list("code", "message"))
    return events[1:]


def test_the_reason_for_waiting_is_reported_once_and_stored(project, say):
    say(PULL, "Its image cannot be pulled.")
    session = Session.objects.get()
    assert (session.state, session.code) == ("spawning", PULL)
    assert session.message == "Its image cannot be pulled."
    assert told(project) == [(PULL, "Its image cannot be pulled.")]


def test_another_message_with_the_same_code_is_not_reported(project, say):
    for detail in ("one", "two", "three"):
        say(PULL, f"Its image cannot be pulled: {detail}.")
    assert told(project) == [(PULL, "Its image cannot be pulled: one.")]


def test_every_position_in_the_gpu_queue_is_reported(project, say):
    for place in (3, 2, 2, 1):
        say(NO_GPU, f"number {place}")
    assert told(project) == [(NO_GPU, f"number {place}") for place in (3, 2, 1)]
    assert Session.objects.get().message == "number 1"


def test_a_start_that_resumes_clears_its_code(project, say):
    say(NO_ROOM, "The cluster has no room.")
    say()
    session = Session.objects.get()
    assert (session.state, session.code, session.message) == ("spawning", "", "")
    assert told(project) == [(NO_ROOM, "The cluster has no room."), ("", "Starting the notebook.")]


def test_a_ready_notebook_clears_its_code(project, backend, watch, say):
    say(PULL, "Its image cannot be pulled.")
    backend.answer(Session.objects.get().pk)
    watch.look()
    session = Session.objects.get()
    assert (session.state, session.code, session.message) == ("ready", "", "")


@pytest.mark.parametrize("code", [NO_GPU, NO_ROOM])
def test_a_queued_start_has_a_longer_time_limit(project, say, later, code):
    say(code, "It waits for others.")
    assert later(700).state == "spawning"
    session = later(3700)
    assert (session.state, session.code) == ("failed", code)
    assert "It waits for others." in session.message
    assert "long wait" in session.message


def test_a_new_position_in_the_queue_does_not_restart_the_clock(project, say, later):
    say(NO_GPU, "number 2")
    Session.objects.update(changed=timezone.now() - timedelta(seconds=3700))
    say(NO_GPU, "number 1")
    reconcile(long_watched())
    assert Session.objects.get().state == "failed"


def test_an_image_pull_that_keeps_failing_ends_with_its_own_code(project, say, later):
    say(PULL, "Its image cannot be pulled.")
    assert later(500).state == "spawning"
    session = later(700)
    assert (session.state, session.code) == ("failed", PULL)


def test_a_start_that_reports_nothing_times_out(project, backend, later):
    session = later(700)
    assert (session.state, session.code) == ("failed", "spawn.timeout")
    assert session.message
    assert backend.server_reports == {}


def test_the_start_time_limit_begins_when_the_queue_ends(project, say, later):
    say(NO_GPU, "number 1")
    Session.objects.update(changed=timezone.now() - timedelta(seconds=3000))
    say()
    reconcile(long_watched())
    assert Session.objects.get().state == "spawning"
    assert later(700).code == "spawn.timeout"


def test_a_stopped_notebook_reports_no_reason_for_waiting(project, ada, say):
    lifecycle.stop(Session.objects.get().project, ada)
    observations.handle_server_report(
        ServerReport(Session.objects.get().pk, project.name, "starting", "", PULL)
    )
    assert told(project) == []


def test_an_image_counts_as_present_while_the_registry_is_unreachable(backend):
    assert builds._is_absent("flowers")
    backend.__class__ = Unreachable
    assert not builds._is_absent("flowers")


QUOTA = NoRoom("cluster.quota", "The portal has used up its quota.")
AWAY = BackendAway("cluster.unreachable", "The cluster does not answer.")
FORBIDDEN = BackendRefuses("cluster.forbidden", "The cluster does not let the portal do this.")


def refused(backend, worker, error: Exception, *, minutes: int) -> None:
    """Have the back end refuse everything new for some minutes."""
    backend.refusal = error
    for _minute in range(minutes):
        old = timezone.now() - timedelta(minutes=1)
        Session.objects.update(changed=old)
        reconcile(long_watched())
        worker.run()
    backend.refusal = None


@pytest.fixture
def built(ada, url, backend, worker, watch):
    """A project whose environment is ready, before its notebook is started."""
    project = lifecycle.launch(ada, url)
    worker.run()
    backend.finish(Build.objects.get().pk)
    watch.look()
    return project


@pytest.mark.parametrize("error", [QUOTA, AWAY])
def test_a_start_without_room_waits_and_says_so_once(built, backend, worker, error):
    backend.refusal = error
    worker.run()
    refused(backend, worker, error, minutes=5)
    session = Session.objects.get()
    assert (session.state, session.message) == ("spawning", error.message)
    assert told(built) == [(error.code, error.message)]
    Session.objects.update(changed=timezone.now() - timedelta(minutes=1))
    reconcile(long_watched())
    worker.run()
    assert backend.server_reports.keys() == {session.pk}


def test_a_start_without_room_ends_with_the_limit_of_the_queue(built, backend, worker, settings):
    settings.PORTAL_QUEUE_TIMEOUT = 30
    refused(backend, worker, QUOTA, minutes=2)
    session = Session.objects.get()
    assert (session.state, session.code) == ("failed", NO_ROOM)
    assert QUOTA.message in session.message


def test_a_right_that_is_missing_for_a_moment_fails_no_start(built, backend, worker):
    backend.refusal = FORBIDDEN
    worker.run()
    assert Session.objects.get().state == "spawning"
    refused(backend, worker, FORBIDDEN, minutes=5)
    session = Session.objects.get()
    assert (session.state, session.code) == ("failed", "cluster.forbidden")


@pytest.mark.parametrize("error", [QUOTA, AWAY])
def test_a_build_without_room_waits_and_says_so_once(ada, url, backend, worker, error):
    backend.refusal = error
    project = lifecycle.launch(ada, url)
    worker.run()
    refused(backend, worker, error, minutes=5)
    assert Build.objects.get().state == "building"
    events = project.events.filter(code=error.code).values_list("message", flat=True)
    assert list(events) == [error.message]
    reconcile(long_watched())
    worker.run()
    assert backend.builds_started == 1


def test_a_log_that_may_not_be_read_hides_no_end(ada, url, backend, worker, watch):
    class Mute(ScriptedBackend):
        def read_log(self, build_id: int, position: str) -> None:
            raise FORBIDDEN

    backend.__class__ = Mute
    lifecycle.launch(ada, url)
    worker.run()
    backend.finish(Build.objects.get().pk)
    watch.look()
    assert Build.objects.get().state == "built"


def test_a_volume_that_is_gone_is_made_again(project, say, backend, worker):
    say("spawn.volume-gone", "The volume was deleted.")
    Session.objects.update(changed=timezone.now() - timedelta(minutes=1))
    backend.asked_again = []
    original = backend.ensure_server
    backend.ensure_server = lambda spec: (backend.asked_again.append(spec.id), original(spec))
    reconcile(long_watched())
    worker.run()
    assert Session.objects.get().pk in backend.asked_again


def test_a_start_that_an_outage_left_half_made_is_made_again(built, backend, worker, watch):
    backend.refusal = AWAY
    worker.run()
    session = Session.objects.get()
    backend.refusal = None
    lost = ServerReport(session.pk, built.name, "gone", code="spawn.deleted", message="Removed.")
    backend.server_reports[session.pk] = lost  # its Secret, without a pod
    watch.look()
    assert Session.objects.get().state == "spawning"
    Session.objects.update(changed=timezone.now() - timedelta(minutes=1))
    reconcile(long_watched())
    worker.run()
    assert backend.server_reports[session.pk].state == "starting"
