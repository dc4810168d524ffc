"""A start that fails is repeated in safe mode, on whatever back end, and says why."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from sessions import lifecycle
from sessions.backends.endings import CRASHED, ENTRY_POINT, NOT_RUN, START_SCRIPT, TIMEOUT
from sessions.models import Build, Project, Session
from sessions.progress import journal
from sessions.watch.reconcile import reconcile
from tests.fixtures import long_watched

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.one_database]

WHY = "Your start script (start) ended before it started JupyterLab (status 3)."


@pytest.fixture
def project(ada, url, backend, worker, watch) -> Project:
    """A project whose notebook is starting."""
    project = lifecycle.launch(ada, url)
    worker.run()
    backend.finish(Build.objects.get().pk)
    watch.look()
    worker.run()
    return project


def now(project: Project) -> Session:
    session = Project.objects.get(pk=project.pk).current
    assert session
    return session


@pytest.mark.parametrize("code", [CRASHED, ENTRY_POINT, NOT_RUN, START_SCRIPT, TIMEOUT])
def test_a_failed_start_is_repeated_once_in_safe_mode(project, backend, worker, watch, code):
    first = now(project)
    backend.vanish(first.pk, code, WHY)
    watch.look()
    again = now(project)
    assert (again.pk != first.pk, again.state, again.build) == (True, "spawning", first.build)
    assert again.resources == first.resources
    first.refresh_from_db()
    assert (first.state, first.code, first.message) == ("failed", code, WHY)

    worker.run()
    assert WHY in backend.started_servers[again.pk].safe_mode
    assert not backend.started_servers[first.pk].safe_mode
    backend.answer(again.pk)
    watch.look()
    assert now(project).state == "ready"
    said = list(project.events.filter(phase="launching").values_list("code", "message"))
    assert said[-1] == (code, f"{WHY}\nStarting again in safe mode.")
    assert not project.events.filter(phase="failed").exists()


def test_the_page_of_a_repeated_start_shows_the_log_of_the_build(
    ada, url, backend, worker, watch, as_ada
):
    project = lifecycle.launch(ada, url)
    worker.run()
    backend.say(Build.objects.get().pk, "built well")
    backend.finish(Build.objects.get().pk)
    watch.look()
    worker.run()
    backend.vanish(now(project).pk, CRASHED, WHY)
    watch.look()
    page = as_ada.get(f"/projects/{project.name}/")
    items = journal.read(project.pk, page.context["start_cursor"]).items
    assert items[0]["message"].startswith("Launched by ada")
    assert "built well" in [item["message"] for item in items]


@pytest.mark.parametrize(
    "code",
    [
        "spawn.out-of-memory",
        "spawn.node-lost",
        "spawn.evicted",
        "spawn.image-pull",
        "spawn.container",
        "",
    ],
)
def test_a_start_that_fails_for_another_reason_is_not_repeated(project, backend, watch, code):
    backend.vanish(now(project).pk, code, "It is away.")
    watch.look()
    assert (now(project).state, Session.objects.count()) == ("failed", 1)


def test_a_notebook_that_ran_is_not_repeated(project, backend, watch):
    backend.answer(now(project).pk)
    watch.look()
    backend.vanish(now(project).pk, CRASHED, "It ended.")
    watch.look()
    assert (now(project).state, Session.objects.count()) == ("failed", 1)


def test_a_start_that_was_stopped_is_not_repeated(ada, project, backend, worker, watch):
    backend.stubborn.add(now(project).pk)
    lifecycle.stop(Project.objects.get(pk=project.pk), ada)
    worker.run()
    backend.vanish(now(project).pk, CRASHED, "It ended.")
    watch.look()
    assert (now(project).state, Session.objects.count()) == ("stopped", 1)


def fail_twice(project, backend, worker, watch) -> Session:
    for _time in range(2):
        backend.vanish(now(project).pk, CRASHED, "JupyterLab did not start (status 1).")
        watch.look()
        worker.run()
    return now(project)


def test_an_environment_in_which_jupyterlab_never_starts_is_a_bad_build(
    project, backend, worker, watch
):
    session = fail_twice(project, backend, worker, watch)
    assert (session.state, session.code) == ("failed", "build.no-jupyterlab")
    assert "not even in safe mode" in session.message
    assert "JupyterLab did not start (status 1)." in session.message
    assert Build.objects.get().dropped


def test_an_environment_in_which_others_work_is_not_to_blame(project, backend, worker, watch):
    Session.objects.create(
        project=project, build=now(project).build, state="stopped", ready=timezone.now(),
        cpu_request=1, cpu_limit=1, memory_request_gb=1, memory_limit_gb=1,
    )  # fmt: skip
    session = fail_twice(project, backend, worker, watch)
    assert (session.state, session.code) == ("failed", CRASHED)
    assert not Build.objects.get().dropped


def test_safe_mode_can_be_asked_for_and_ends_with_the_notebook(
    ada, project, backend, worker, watch, bring_up
):
    lifecycle.stop(Project.objects.get(pk=project.pk), ada)
    worker.run()
    watch.look()
    for wanted in (True, False):
        lifecycle.start(Project.objects.get(pk=project.pk), ada, safe_mode=wanted)
        running = bring_up(Project.objects.get(pk=project.pk))
        assert running.state == "ready"
        assert bool(backend.started_servers[running.current.pk].safe_mode) == wanted
        lifecycle.stop(running, ada)
        worker.run()
        watch.look()


def late(seconds: int) -> None:
    live = Session.objects.live()
    live.update(changed=timezone.now() - timedelta(seconds=seconds))
    reconcile(long_watched())


def test_a_start_that_takes_too_long_says_who_took_the_time_and_is_repeated(
    project, backend, worker, watch, settings
):
    settings.PORTAL_SPAWN_TIMEOUT = 60
    first = now(project)
    said = "Your start script (start) had not started JupyterLab after 60 seconds and was stopped."
    backend.slow[first.pk] = ("spawn.timeout", said)
    late(59)
    assert now(project).state == "spawning"
    late(61)
    first.refresh_from_db()
    assert (first.state, first.code, first.message) == ("failed", "spawn.timeout", said)
    assert (
        first.pk not in backend.server_reports or backend.server_reports[first.pk].state == "gone"
    )
    assert now(project).safe_mode.endswith(said)
    worker.run()
    late(61)
    assert (now(project).state, now(project).code) == ("failed", "spawn.timeout")
    assert not Build.objects.get().dropped


def test_an_environment_that_was_damaged_is_built_again_and_its_notebook_starts(
    project, backend, worker, watch
):
    first = now(project)
    backend.damaged.add(first.build.image)
    backend.vanish(first.pk, CRASHED, WHY)
    watch.look()
    again = now(project)
    assert (again.state, again.build, again.safe_mode) == ("waiting", None, "")
    first.refresh_from_db()
    assert (first.state, first.code) == ("failed", "build.base-damaged")
    worker.run()
    build = now(project).build
    assert build.pk != first.build.pk
    backend.finish(build.pk)
    watch.look()
    worker.run()
    backend.answer(again.pk)
    watch.look()
    assert now(project).state == "ready"
    assert not project.events.filter(phase="failed").exists()
    said = project.events.filter(code="build.base-damaged").values_list("message", flat=True)
    assert ["Neither your files nor the repository" in each for each in said] == [True]


def test_an_environment_that_is_damaged_once_more_is_left_to_the_staff(
    project, backend, worker, watch
):
    for _time in range(2):
        session = now(project)
        backend.damaged.add(session.build.image)
        backend.vanish(session.pk, CRASHED, WHY)
        watch.look()
        worker.run()
        if build := Build.objects.active().first():
            backend.finish(build.pk)
            watch.look()
            worker.run()
    assert (now(project).state, now(project).code) == ("failed", "build.base-damaged")
    assert Session.objects.count() == 2
    assert project.events.filter(phase="failed", code="build.base-damaged").count() == 1
    assert Build.objects.filter(dropped=True).count() == 2


def test_a_build_on_a_damaged_base_is_tried_again(ada, url, backend, worker, watch, caplog):
    project = lifecycle.launch(ada, url)
    worker.run()
    build = Build.objects.get()
    backend.finish(build.pk, "build.base-damaged", "Damaged.")
    watch.look()
    assert "build.base-damaged" in caplog.text
    worker.run()
    assert backend.builds_started == 2
    backend.finish(build.pk)
    watch.look()
    assert now(project).state == "spawning"
