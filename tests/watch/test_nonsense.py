"""Whatever the back end reports, it ends at most its own launch, and the next launch passes."""

from __future__ import annotations

import logging
import re
from datetime import timedelta
from itertools import count
from typing import Any

import hypothesis
import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from portal.models import User
from sessions import lifecycle
from sessions.backends import BuildReport, FilesReport, LogLines, ServerReport
from sessions.models import Build, Project, Session
from sessions.watch.handling import handle_safely
from sessions.watch.reconcile import reconcile
from tests.fixtures import long_watched
from tests.strategies import ANYTHING, JUNK

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.slow("each report is followed by a whole launch", seconds=180),
]

ANY = JUNK | ANYTHING
NUMBER = count(1)
AMOUNTS = [
    pytest.param(8, id="some"),
    pytest.param(
        1000,
        id="many",
        marks=[pytest.mark.long, pytest.mark.slow("a thousand launches", seconds=3600)],
    ),
]


def look(backend) -> None:
    """Do what watch does within a minute."""
    for _time in range(2):
        for report in [*backend.builds(), *backend.servers()]:
            handle_safely(report)
        reconcile(long_watched())


def person() -> User:
    return User.objects.create_user(f"person-{next(NUMBER)}")


def launch(url: str) -> Project:
    """Launch as somebody who has not launched anything yet."""
    return lifecycle.launch(person(), url)


def passes(project: Project, backend, worker) -> bool:
    """Return whether a launch comes to a notebook."""
    worker.run()
    for build in Build.objects.active().filter(sessions__project=project):
        backend.finish(build.pk)
    look(backend)
    worker.run()
    backend.answer(project.current.pk)
    look(backend)
    return Project.objects.get(pk=project.pk).state == "ready"


@pytest.mark.parametrize("amount", AMOUNTS)
def test_good_launch_passes_after_any_report_of_a_build(amount, url, backend, worker, git):
    @hypothesis.settings(max_examples=amount, phases=[hypothesis.Phase.generate])
    @given(st.data())
    def each(data: Any) -> None:
        project = launch(git.repository(f"junk/{next(NUMBER)}", {"a": "1"}))
        worker.run()
        build = Build.objects.get(sessions=project.current)
        said = {name: data.draw(ANY) for name in ("code", "message", "buildpack", "digest")}
        report: Any = BuildReport(build.pk, data.draw(st.booleans()), **said)
        backend.build_reports[build.pk] = report
        backend.output[build.pk] = [(data.draw(ANY), data.draw(ANY)) for _piece in range(2)]
        look(backend)
        state = Project.objects.get(pk=project.pk).state
        assert state in {"failed", "spawning", "building"}
        backend.forget_build(build.pk)
        lifecycle.delete(Project.objects.get(pk=project.pk), project.owner)
        assert passes(launch(url), backend, worker)

    each()


@pytest.mark.parametrize("amount", AMOUNTS)
def test_good_launch_passes_after_any_report_of_a_notebook(amount, url, backend, worker):
    @hypothesis.settings(max_examples=amount, phases=[hypothesis.Phase.generate])
    @given(st.data())
    def each(data: Any) -> None:
        project = launch(url)
        passes(project, backend, worker)
        names = ("state", "address", "code", "message", "node")
        said = {name: data.draw(ANY) for name in names}
        said["state"] = data.draw(st.sampled_from(["starting", "ready", "gone", said["state"]]))
        said["files"] = FilesReport(data.draw(ANY), data.draw(ANYTHING))
        if data.draw(st.booleans()):
            Session.objects.filter(pk=project.current.pk).update(state="spawning")
        backend.server_reports[project.current.pk] = ServerReport(
            project.current.pk, project.name, **said
        )
        look(backend)
        assert passes(launch(url), backend, worker)

    each()


def test_log_that_cannot_be_read_fails_its_build_with_a_reference(
    url, backend, worker, git, caplog
):
    bad = launch(git.repository("junk/unreadable", {"a": "1"}))
    worker.run()
    build = Build.objects.get(sessions=bad.current)
    backend.output[build.pk] = 7  # reading it fails each time
    good = launch(url)
    with caplog.at_level(logging.ERROR):
        assert passes(good, backend, worker)
    bad = Project.objects.get(pk=bad.pk)
    assert (bad.state, bad.current.code) == ("failed", "internal")
    (reference,) = re.findall(r"reference (\w+)", bad.current.message)
    assert reference in {getattr(record, "reference", reference) for record in caplog.records}
    caplog.clear()
    look(backend)
    assert not caplog.records
    assert build.pk not in backend.build_reports


def test_build_whose_log_cannot_be_read_is_ended_by_its_time_limit(url, backend, worker, settings):
    project = launch(url)
    worker.run()
    build = Build.objects.get(sessions=project.current)
    backend.output[build.pk] = 7
    settings.PORTAL_BUILD_TIMEOUT = -1000
    reconcile(long_watched())
    assert Project.objects.get(pk=project.pk).current.code in {"build.timeout", "internal"}


def test_start_whose_reason_changes_all_the_time_is_ended_by_its_time_limit(
    url, backend, worker, settings
):
    project = launch(url)
    worker.run()
    for build in Build.objects.active():
        backend.finish(build.pk)
    look(backend)
    worker.run()
    begun = timezone.now() - timedelta(seconds=settings.PORTAL_SPAWN_TIMEOUT + 60)
    Session.objects.update(changed=begun)
    pk = project.current.pk
    for number in range(3):
        report = ServerReport(pk, project.name, "starting", code=f"spawn.{number}", message="?")
        backend.server_reports[pk] = report
        handle_safely(report)
        reconcile(long_watched())
    assert Project.objects.get(pk=project.pk).state == "failed"


@given(ANYTHING, ANYTHING, JUNK)
def test_line_of_a_log_has_a_known_phase_and_can_be_stored(phase, text, position):
    lines = LogLines(phase, text, position)
    assert lines.phase in ("building", phase)
    (lines.text + lines.position).encode()
