"""Rows that nobody reads any more are removed; those that stand for something that exists stay."""

from __future__ import annotations

from datetime import timedelta

import pytest
from auditlog.models import LogEntry
from axes.models import AccessAttempt
from django.contrib.sessions.models import Session as PortalSession
from django.utils import timezone

from portal.models import Letter
from sessions import lifecycle, retention
from sessions.models import Build, Event, Project, Removal, RemovalKind, Session, Transition
from sessions.retention import rows
from sessions.retention.rows import Deadline
from sessions.states import ProjectState
from tests.stages import project_in

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def scripted(backend):
    pass


def ago(days: int):
    return timezone.now() - timedelta(days=days)


@pytest.fixture
def project(ada) -> Project:
    """A project of ada's that has run twice, the first time long ago."""
    project = project_in(ProjectState.STOPPED, ada)
    first = project.current
    Event.objects.update(at=ago(200))
    Session.objects.update(ended=ago(800))
    again = Session.objects.create(
        project=project, state="stopped", ended=ago(800), cpu_request=1, cpu_limit=1,
        memory_request_gb=1, memory_limit_gb=1, build=first.build,
    )  # fmt: skip
    Project.objects.filter(pk=project.pk).update(current=again)
    for seq in (101, 102):
        Event.objects.create(project=project, seq=seq, session=again, phase="ready", at=ago(200))
    project.refresh_from_db()
    return project


def test_old_events_go_and_those_of_the_current_session_stay(project):
    retention.tidy()
    assert list(Event.objects.values_list("seq", flat=True)) == [101, 102]
    assert Removal.objects.get(kind=RemovalKind.EVENT).why == "Older than 180 days."


def test_young_events_stay(project):
    Event.objects.update(at=ago(179))
    count = Event.objects.count()
    rows.tidy_rows(Deadline(10))
    assert Event.objects.filter(session=project.current).count() == 2
    assert not Removal.objects.filter(kind=RemovalKind.EVENT).exists()
    assert Event.objects.count() < count  # those of a session that went itself


def test_old_sessions_go_and_the_last_one_of_a_project_stays(project):
    retention.tidy()
    assert Session.objects.get() == project.current
    assert Removal.objects.get(kind=RemovalKind.SESSION).count == 1


def test_a_live_session_stays_however_old(project):
    Session.objects.filter(pk=project.current_id).update(state="ready", ended=None)
    retention.tidy()
    assert Session.objects.get().state == "ready"


def test_a_deleted_project_goes_with_all_that_was_its_own(project, ada):
    lifecycle.delete(project, ada)
    Project.objects.update(removed=ago(731), drops=None)
    retention.tidy()
    for model in (Project, Session, Event):
        assert not model.objects.exists()
    assert not Transition.objects.filter(build=None).exists()
    assert Removal.objects.get(kind=RemovalKind.PROJECT).count == 1


@pytest.mark.parametrize("for_good", [True, False])
def test_a_project_that_was_deleted_lately_stays(project, ada, for_good):
    lifecycle.delete(project, ada, for_good=for_good)
    retention.tidy()
    assert Project.objects.get().removed


@pytest.mark.parametrize("drops", [1, -1, -731])
def test_what_can_be_restored_or_is_not_dropped_yet_goes_after_that_however_old(
    project, ada, drops
):
    lifecycle.delete(project, ada)
    told = Event.objects.filter(session=project.current).count()
    Project.objects.update(removed=ago(731), drops=ago(-drops))
    retention.tidy()
    assert Session.objects.get() == project.current
    if drops > -731:
        assert Event.objects.filter(session=project.current).count() == told


def test_a_build_goes_when_nothing_tells_of_it_and_its_image_is_gone(ada):
    told = {"url": "https://example.org/a", "finished": ago(800)}
    for commit, state, dropped, size in (
        ("failed", "failed", False, None),
        ("dropped", "built", True, 0),
        ("there", "built", False, 5),
    ):
        Build.objects.create(
            commit=commit, image=commit, state=state, dropped=dropped, size=size, **told
        )
    rows.tidy_rows(Deadline(10))
    assert [build.commit for build in Build.objects.all()] == ["there"]


def test_records_of_other_kinds_go_and_are_counted_by_their_name(ada):
    old, young = ago(800), ago(10)
    LogEntry.objects.all().delete()
    for at in (old, young):
        entry = LogEntry.objects.log_create(ada, action=LogEntry.Action.UPDATE, changes={"a": []})
        LogEntry.objects.filter(pk=entry.pk).update(timestamp=at)
        Letter.objects.create(key=str(at), to=ada, subject="a", text="b", html="c", created=at)
        attempt = AccessAttempt.objects.create(username=str(at), failures_since_start=1)
        AccessAttempt.objects.filter(pk=attempt.pk).update(attempt_time=at)
    retention.tidy()
    assert [model.objects.count() for model in (Letter, AccessAttempt)] == [1, 1]
    assert LogEntry.objects.get_for_object(ada).count() == 1  # the installation may have one
    removed = Removal.objects.filter(kind=RemovalKind.RECORD).values_list("name", "count")
    assert set(removed) == {("log entries", 1), ("letters", 1), ("access attempts", 1)}


def test_sign_ins_that_have_run_out_go(ada):
    for key, days in (("over", 1), ("lasts", -1)):
        PortalSession.objects.create(session_key=key, session_data="", expire_date=ago(days))
    retention.tidy()
    assert PortalSession.objects.get().session_key == "lasts"


def test_without_time_nothing_goes_and_the_next_task_goes_on(project):
    count = Event.objects.count()
    retention.tidy(max_seconds=0)
    assert Event.objects.count() == count
    retention.tidy()
    assert Event.objects.count() == 2


def test_more_rows_than_go_at_a_time_go_in_one_task(project):
    seqs = range(1000, 1000 + 2 * rows.LARGE_BATCH)
    Event.objects.bulk_create(
        Event(project=project, seq=seq, phase="ready", at=ago(200)) for seq in seqs
    )
    retention.tidy()
    assert Event.objects.count() == 2


def test_whoever_comes_second_counts_nothing_again(project):
    Event.objects.filter(session=project.current).update(session=None)
    there = Event.objects.count()
    for _time in range(2):
        rows.tidy_rows(Deadline(10))
    counted = Removal.objects.filter(kind=RemovalKind.EVENT).values_list("count", flat=True)
    assert sum(counted) == there - Event.objects.count() == there
