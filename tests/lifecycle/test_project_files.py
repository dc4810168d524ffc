"""A project's kept files: what happened to them at a start is reported, and their size is known."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from sessions.backends import FilesReport, ProjectSize, ServerReport
from sessions.lifecycle import files, observations
from sessions.models import Event, Project
from sessions.states import ProjectState
from sessions.watch.reconcile import reconcile
from tests.making import with_token
from tests.past_sessions import ran
from tests.stages import project_in

pytestmark = [pytest.mark.django_db(transaction=True)]

MERGED = "Your files were updated to commit c0ffee1 of the repository: 2 updated."


def told(project: Project) -> list[str]:
    rows = Event.objects.filter(project=project, message=MERGED)
    return list(rows.values_list("phase", flat=True))


def is_ready(project: Project, report: FilesReport | None) -> None:
    """Make the notebook of this start answer, and report it twice."""
    assert project.current
    answers = ServerReport(project.current.pk, project.name, "ready", "unix:/x", files=report)
    for _time in range(2):
        observations.handle_server_report(answers)


@pytest.fixture
def starting(ada, backend) -> Project:
    return project_in(ProjectState.SPAWNING, ada)


def test_the_files_report_is_recorded_once_with_the_size(starting):
    is_ready(starting, FilesReport(MERGED, 5_000))
    assert told(starting) == ["launching"]
    starting.refresh_from_db()
    assert starting.files_size == 5_000
    assert starting.files_measured


def test_a_repeated_files_report_is_not_recorded_again(starting):
    is_ready(starting, FilesReport(MERGED, is_repeated=True))
    assert told(starting) == ["launching"], "it was never told"
    files.record_report(starting.current, FilesReport(MERGED, is_repeated=True))
    assert told(starting) == ["launching"]
    files.record_report(starting.current, FilesReport(MERGED))
    assert told(starting) == ["launching", "launching"]


def test_a_back_end_may_report_no_files(starting):
    is_ready(starting, None)
    starting.refresh_from_db()
    assert (starting.state, starting.files_measured) == (ProjectState.READY, None)


def test_the_volume_is_stored_before_the_notebook_starts(ada, backend, worker):
    project = project_in(ProjectState.SPAWNING, ada)
    assert files.store_volume(project) == "ada"
    project.refresh_from_db()
    assert project.files_volume == "ada"


def test_without_kept_homes_no_volume_is_stored(starting, settings):
    settings.PORTAL_KEEP_HOMES = False
    assert files.store_volume(starting) == "ada"
    starting.refresh_from_db()
    assert starting.files_volume == ""


@pytest.fixture
def stopped(ada, backend) -> Project:
    """A project that ran until a minute ago."""
    now = timezone.now()
    session = ran(ada, now - timedelta(hours=1), now - timedelta(minutes=1))
    Project.objects.filter(pk=session.project_id).update(files_volume="ada")
    return Project.objects.get(pk=session.project_id)


def test_files_are_measured_after_a_run_until_the_back_end_answers(stopped, backend, worker):
    for answer, known in ((None, None), (ProjectSize(7_000), 7_000), (ProjectSize(9), 7_000)):
        backend.sizes = {stopped.name: answer} if answer else {}
        reconcile()
        worker.run()
        stopped.refresh_from_db()
        assert stopped.files_size == known
    assert not files.unmeasured().exists()


def test_files_that_cannot_be_measured_are_not_retried(stopped, backend, worker):
    backend.sizes = {stopped.name: ProjectSize(None)}
    reconcile()
    worker.run()
    stopped.refresh_from_db()
    assert (stopped.files_size, stopped.files_measured is None) == (None, False)
    assert not files.unmeasured().exists()


def test_nothing_is_measured_while_database_and_data_do_not_match(stopped, settled, worker):
    settled.place = "b" * 32
    settled.sizes = {stopped.name: ProjectSize(7_000)}
    for _minute in range(2):
        reconcile()
        worker.run()  # would raise what the task is refused with
    stopped.refresh_from_db()
    assert stopped.files_size is None


LATER = timezone.now() + timedelta(days=1)
"""A time later than the run, however long the tests before this one take."""


@pytest.mark.parametrize(
    "change",
    [{"files_volume": ""}, {"removed": timezone.now()}, {"files_measured": LATER}],
    ids=["no volume", "deleted", "measured"],
)
def test_projects_that_need_no_measuring_are_skipped(stopped, change):
    Project.objects.filter(pk=stopped.pk).update(**change)
    assert not files.unmeasured().exists()


def test_running_projects_are_not_measured(ada, backend):
    session = ran(ada, timezone.now(), None)
    Project.objects.filter(pk=session.project_id).update(files_volume="ada")
    assert not files.unmeasured().exists()


def test_the_page_and_the_api_show_the_size_and_when_it_was_measured(stopped, ada, client):
    Project.objects.update(files_size=3_210_000_000, files_measured=timezone.now())
    client.force_login(ada)
    page = client.get(f"/projects/{stopped.name}/").text
    assert "3.0\xa0GB" in page
    api = with_token(ada).get(f"/api/v1/projects/{stopped.name}/").json()
    assert api["files"]["bytes"] == 3_210_000_000
    assert api["files"]["measured"]


def test_an_unknown_size_is_not_shown(stopped, ada, client):
    client.force_login(ada)
    page = client.get(f"/projects/{stopped.name}/").text
    assert "This project’s files" not in page
    api = with_token(ada).get(f"/api/v1/projects/{stopped.name}/").json()
    assert api["files"] == {"bytes": None, "measured": None}
