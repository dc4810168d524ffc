"""Where the operator wants it, an unused notebook is stopped; its project stays."""

from __future__ import annotations

import pytest

from sessions import lifecycle
from sessions.models import Event, Heartbeat, Project
from sessions.states import ProjectState
from tests.culling.conftest import HOUR, MINUTE, now_is

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.one_database]


@pytest.fixture
def running(ada, portal, unused, settings) -> Project:
    settings.PORTAL_STOP_IDLE_HOURS = 3
    return unused(ada, 0, ProjectState.READY)


def test_idle_notebook_is_stopped_after_its_hours_with_a_message(portal, running):
    portal.live(3 * HOUR - MINUTE)
    assert now_is(running).state == ProjectState.READY
    portal.live(MINUTE)
    assert now_is(running).state == ProjectState.STOPPING
    assert now_is(running).removed is None
    assert Event.objects.filter(project=running).latest("seq").message == (
        "Stopped after 3 hours without use. You still have the project: start it again at any time."
    )


def test_nothing_is_stopped_by_default(ada, portal, unused):
    project = unused(ada, 0, ProjectState.READY)
    portal.live(30 * HOUR)
    assert now_is(project).state == ProjectState.READY


def test_use_restarts_the_idle_hours(ada, portal, running):
    portal.live(2 * HOUR)
    lifecycle.keep(now_is(running), ada)
    portal.live(2 * HOUR)
    assert now_is(running).state == ProjectState.READY


def test_idle_hours_begin_when_the_notebook_starts(portal, running):
    Project.objects.update(last_activity=portal.now - 9 * HOUR)
    portal.live(2 * HOUR)
    assert now_is(running).state == ProjectState.READY


def test_notebook_that_does_not_answer_is_left_alone(portal, running):
    portal.mute = {running.pk}
    portal.live(5 * HOUR)
    assert now_is(running).state == ProjectState.READY


def test_gap_in_observation_restarts_the_idle_hours(portal, running):
    portal.live(2 * HOUR)
    portal.sleep(2 * HOUR)
    portal.look()
    portal.live(2 * HOUR)
    assert now_is(running).state == ProjectState.READY
    portal.live(HOUR)
    assert now_is(running).state == ProjectState.STOPPING


def test_first_pass_of_a_portal_stops_nothing(portal, running):
    portal.sleep(9 * HOUR)
    Heartbeat.objects.all().delete()
    portal.look()
    assert now_is(running).state == ProjectState.READY
