"""Whatever was away, and whatever the clock says: nothing is deleted without a warning that stood
for a whole day in which it could be seen and answered.
"""

from __future__ import annotations

import pytest

from sessions.errors import TemporaryError
from sessions.models import Heartbeat, Project
from sessions.states import ProjectState
from tests.culling.conftest import DAY, HOUR, MINUTE, now_is

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.one_database]
YEAR = 365 * DAY


def a_full_day_is_given_again(portal, project) -> None:
    portal.look()
    assert now_is(project).warned == portal.now
    portal.live(DAY - MINUTE)
    assert not now_is(project).removed
    portal.live(MINUTE)
    assert now_is(project).removed


def test_overdue_projects_are_announced_at_the_first_pass(ada, portal, unused):
    projects = [unused(ada, 400) for _number in range(3)]
    Heartbeat.objects.all().delete()
    a_full_day_is_given_again(portal, projects[0])
    assert all(now_is(project).removed for project in projects)


def test_everybody_is_warned_again_after_a_week_of_downtime(ada, bob, portal, unused):
    projects = [unused(ada), unused(bob)]
    portal.live(DAY + 23 * HOUR)
    portal.sleep(7 * DAY)
    portal.restart()
    a_full_day_is_given_again(portal, projects[0])
    assert now_is(projects[1]).removed


def test_restart_does_not_count_as_an_outage(ada, portal, unused):
    project = unused(ada)
    portal.live(2 * DAY - HOUR)
    portal.sleep(40 * MINUTE)
    portal.restart()
    portal.look()
    portal.live(20 * MINUTE)
    assert now_is(project).removed


def test_long_backend_outage_renews_the_warning(ada, backend, portal, unused):
    project = unused(ada)
    portal.live(2 * DAY - 30 * MINUTE)
    backend.refusal = TemporaryError("backend.away", "The cluster does not answer.")
    portal.live(30 * MINUTE)
    assert not now_is(project).removed
    portal.live(2 * HOUR)
    backend.refusal = None
    a_full_day_is_given_again(portal, project)


def test_short_backend_outage_changes_nothing(ada, backend, portal, unused):
    project = unused(ada)
    portal.live(2 * DAY - 30 * MINUTE)
    backend.refusal = TemporaryError("backend.away", "The cluster does not answer.")
    portal.live(30 * MINUTE)
    backend.refusal = None
    portal.live(MINUTE)
    assert now_is(project).removed


def test_nothing_is_deleted_while_notebooks_are_not_probed(ada, bob, portal, unused):
    unused(bob, 0, ProjectState.READY)
    project = unused(ada)
    portal.live(2 * DAY - HOUR)
    portal.notebooks_answer = False
    portal.live(5 * HOUR)
    assert not now_is(project).removed
    portal.notebooks_answer = True
    a_full_day_is_given_again(portal, project)


def test_clock_that_jumps_ahead_deletes_nothing(ada, portal, unused):
    due, fresh = unused(ada), unused(ada, 0)
    portal.live(DAY)
    portal.set_clock(YEAR)
    portal.live(2 * HOUR)
    assert not now_is(due).removed
    assert not now_is(fresh).removed
    portal.set_clock(-YEAR)
    portal.look()
    assert now_is(fresh).goes is None
    a_full_day_is_given_again(portal, due)
    assert (now_is(fresh).removed, now_is(fresh).goes) == (None, None)


def test_small_clock_jump_ahead_restarts_the_warning(ada, portal, unused):
    project = unused(ada)
    portal.live(2 * DAY - HOUR)
    portal.set_clock(40 * MINUTE)
    portal.sleep(MINUTE)
    portal.look()
    assert now_is(project).warned == portal.now


@pytest.mark.parametrize("back", [30 * MINUTE, YEAR], ids=["half an hour", "a year"])
def test_clock_set_back_restarts_the_observation(ada, portal, unused, back):
    project = unused(ada)
    portal.live(2 * DAY - HOUR)
    portal.set_clock(-back)
    portal.look()
    assert not now_is(project).removed
    assert portal.beats_since() == portal.now


def test_last_activity_in_the_future_is_corrected(ada, portal, unused):
    project = unused(ada)
    Project.objects.update(last_activity=portal.now + YEAR)
    portal.look()
    assert now_is(project).last_activity == portal.now
