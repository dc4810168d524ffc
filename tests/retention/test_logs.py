"""Build logs are removed by age and by size; a sentence stays in their place, and cursors stay
valid.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from sessions import lifecycle, retention
from sessions.backends import LogLines
from sessions.models import Build, LogChunk, Project, Removal, RemovalKind
from sessions.progress import journal
from sessions.states import ProjectState
from tests.stages import COMMIT, LOG, project_in

pytestmark = [pytest.mark.django_db, pytest.mark.databases]

NOTICE = "The log was removed after 90 days."


@pytest.fixture(autouse=True)
def scripted(backend):
    pass


def build(days: float, *texts: str, state: str = "built") -> Build:
    """Make a build that ended so many days ago, with this log."""
    ended = timezone.now() - timedelta(days=days)
    made = Build.objects.create(
        url="https://example.org/a", commit=COMMIT, image=f"image-{days}", state=state,
        finished=None if state == "building" else ended, dropped=True, size=0,
    )  # fmt: skip
    for number, text in enumerate(texts, 1):
        journal.append(made, LogLines("building", text, str(number)))
    return made


def lines(made: Build, after: int = 0) -> list[str]:
    return [item["message"] for item in journal.read_log(made.pk, after).items]


def test_an_old_log_is_replaced_by_a_notice(ada):
    old, young = build(91, "one", "two", "three"), build(89, "one")
    retention.tidy()
    assert (lines(old), lines(young)) == ([NOTICE], ["one"])
    removal = Removal.objects.get(kind=RemovalKind.LOG)
    assert (removal.count, removal.size, removal.why) == (1, 11, NOTICE)


def test_the_removal_of_a_log_is_recorded_once(ada):
    build(91, "one")
    for _time in range(3):
        retention.tidy()
    assert Removal.objects.filter(kind=RemovalKind.LOG).count() == 1


@pytest.mark.parametrize(("after", "left"), [(0, [NOTICE]), (2, [NOTICE]), (3, [])])
def test_an_old_cursor_reads_what_is_left_of_a_log(ada, after, left):
    old = build(91, "one", "two", "three")
    retention.tidy()
    assert lines(old, after) == left


def test_a_projects_current_log_stays_until_deletion_for_good(ada):
    project = project_in(ProjectState.STOPPED, ada)
    shown = Build.objects.get()
    Build.objects.filter(pk=shown.pk).update(finished=timezone.now() - timedelta(days=400))
    retention.tidy()
    assert lines(shown) == [LOG]
    lifecycle.delete(project, ada)
    retention.tidy()
    assert lines(shown) == [LOG]  # it can be restored
    lifecycle.delete(project, ada, for_good=True)
    retention.tidy()
    assert lines(shown) == [NOTICE]


def test_the_timeline_of_a_project_shows_the_notice_in_place_of_the_log(ada):
    project = project_in(ProjectState.STOPPED, ada)
    shown = Build.objects.get()
    Build.objects.filter(pk=shown.pk).update(finished=timezone.now() - timedelta(days=400))
    Project.objects.filter(pk=project.pk).update(current=None)
    before = journal.read(project.pk)
    retention.tidy()
    after = journal.read(project.pk)
    assert [item["message"] for item in after.items] == [
        NOTICE if item["message"] == LOG else item["message"] for item in before.items
    ]
    assert after.next == before.next


def test_a_build_in_progress_keeps_its_log(ada):
    active = build(400, "one", state="building")
    retention.tidy()
    assert lines(active) == ["one"]


def test_logs_over_the_total_size_are_removed_oldest_first(ada, settings):
    settings.PORTAL_KEEP_LOGS_GB = 1
    old, middle, young = (build(days, "x") for days in (30, 20, 10))
    retention.tidy()
    Build.objects.update(log_size=600_000_000)
    retention.tidy()
    assert lines(old) == lines(middle) != ["x"]
    assert "more than 1 GB" in lines(old)[0]
    assert lines(young) == ["x"]


def test_without_limits_logs_stay(ada, settings):
    settings.PORTAL_KEEP_LOG_DAYS = settings.PORTAL_KEEP_LOGS_GB = 0
    build(400, "one")
    retention.tidy()
    assert LogChunk.objects.get().text == "one"
