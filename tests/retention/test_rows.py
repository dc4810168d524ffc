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


def test_old_events_are_removed_except_those_of_the_current_session(project):
    retention.tidy()
    assert list(Event.objects.values_list("seq", flat=True)) == [101, 102]
    assert Removal.objects.get(kind=RemovalKind.EVENT).why == "Older than 180 days."


def test_recent_events_stay(project):
    Event.objects.update(at=ago(179))
    count = Event.objects.count()
    rows.tidy_rows(Deadline(10))
    assert Event.objects.filter(session=project.current).count() == 2
    assert not Removal.objects.filter(kind=RemovalKind.EVENT).exists()
    assert Event.objects.count() < count  # those of a session that went itself


def test_old_sessions_are_removed_except_the_last_of_each_project(project):
    retention.tidy()
    assert Session.objects.get() == project.current
    assert Removal.objects.get(kind=RemovalKind.SESSION).count == 1


def test_an_old_live_session_stays(project):
    Session.objects.filter(pk=project.current_id).update(state="ready", ended=None)
    retention.tidy()
    assert Session.objects.get().state == "ready"


def test_a_deleted_project_is_removed_with_its_sessions_and_events(project, ada):
    lifecycle.delete(project, ada)
    Project.objects.update(removed=ago(731), drops=None)
    retention.tidy()
    for model in (Project, Session, Event):
        assert not model.objects.exists()
    assert not Transition.objects.filter(build=None).exists()
    assert Removal.objects.get(kind=RemovalKind.PROJECT).count == 1


@pytest.mark.parametrize("for_good", [True, False])
def test_a_recently_deleted_project_stays(project, ada, for_good):
    lifecycle.delete(project, ada, for_good=for_good)
    retention.tidy()
    assert Project.objects.get().removed


@pytest.mark.parametrize("drops", [1, -1, -731])
def test_a_deleted_project_whose_files_remain_is_not_removed(project, ada, drops):
    lifecycle.delete(project, ada)
    told = Event.objects.filter(session=project.current).count()
    Project.objects.update(removed=ago(731), drops=ago(-drops))
    retention.tidy()
    assert Session.objects.get() == project.current
    if drops > -731:
        assert Event.objects.filter(session=project.current).count() == told


def test_an_old_build_without_sessions_and_image_is_removed(ada):
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


def test_other_old_records_are_removed_and_counted_by_kind(ada):
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


def test_expired_sign_ins_are_removed(ada):
    for key, days in (("over", 1), ("lasts", -1)):
        PortalSession.objects.create(session_key=key, session_data="", expire_date=ago(days))
    retention.tidy()
    assert PortalSession.objects.get().session_key == "lasts"


def test_a_pass_without_time_removes_nothing_and_the_next_continues(project):
    count = Event.objects.count()
    retention.tidy(max_seconds=0)
    assert Event.objects.count() == count
    retention.tidy()
    assert Event.objects.count() == 2


def test_more_rows_than_one_batch_are_removed_in_one_pass(project):
    seqs = range(1000, 1000 + 2 * rows.LARGE_BATCH)
    Event.objects.bulk_create(
        Event(project=project, seq=seq, phase="ready", at=ago(200)) for seq in seqs
    )
    retention.tidy()
    assert Event.objects.count() == 2


def test_a_second_pass_does_not_count_removals_twice(project):
    Event.objects.filter(session=project.current).update(session=None)
    there = Event.objects.count()
    for _time in range(2):
        rows.tidy_rows(Deadline(10))
    counted = Removal.objects.filter(kind=RemovalKind.EVENT).values_list("count", flat=True)
    assert sum(counted) == there - Event.objects.count() == there
