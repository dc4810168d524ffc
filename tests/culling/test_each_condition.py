"""Each condition for deleting a project or stopping a notebook: without any one of them it
stays.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from portal.models import Letter
from sessions.culling import cull
from sessions.models import Heartbeat, HeartbeatName, Project, Removal, Session
from sessions.states import ProjectState, SessionState
from tests.culling.conftest import DAY, HOUR, MINUTE, Portal, now_is

pytestmark = [pytest.mark.django_db, pytest.mark.databases]

MONTH = 30 * DAY


def watched(portal: Portal, time: timedelta) -> None:
    """Make it look as if checks had run without a break for this long."""
    Heartbeat.objects.filter(name=HeartbeatName.CULLING).update(since=portal.now - time)


@pytest.fixture
def due(ada, portal, unused) -> Project:
    """A project that is just about to be deleted."""
    project: Project = unused(ada, 30)
    watched(portal, MONTH)
    return changed(project, warned=portal.now - DAY, goes=portal.now)


def changed(project: Project, **fields: Any) -> Project:
    Project.objects.filter(pk=project.pk).update(**fields)
    return Project.objects.select_related("current").get(pk=project.pk)


def test_project_is_deleted_when_every_condition_holds(portal, due):
    portal.look()
    assert now_is(due).removed == portal.now
    assert Removal.objects.count() == 1


def test_not_deleted_before_the_announced_time(portal, due):
    changed(due, goes=portal.now + MINUTE)
    portal.look()
    assert now_is(due).removed is None


def test_not_deleted_before_a_full_day_of_warning(portal, due):
    """Whatever day was said."""
    changed(due, warned=portal.now - DAY + MINUTE, goes=portal.now - HOUR)
    portal.look()
    assert now_is(due).removed is None


def test_not_deleted_after_an_outage_since_the_warning(portal, due):
    watched(portal, DAY - MINUTE)
    portal.look()
    assert now_is(due).removed is None
    assert now_is(due).goes == portal.now + DAY  # and the warning begins anew


@pytest.mark.usefixtures("by_mail")
def test_not_deleted_before_its_letter_was_sent(ada, portal, due):
    portal.sends_letters = False
    portal.look()
    assert now_is(due).removed is None
    assert now_is(due).goes == portal.now + DAY
    letter = Letter.objects.get(to=ada)
    changed(due, goes=portal.now, letter=letter)
    portal.look()
    assert now_is(due).removed is None
    letter.sent = portal.now
    letter.save()
    changed(due, goes=portal.now)
    portal.look()
    assert now_is(due).removed


@pytest.mark.usefixtures("by_mail")
def test_not_deleted_if_its_letter_was_about_an_earlier_warning(ada, portal, due):
    earlier = Letter.objects.create(key="going-1", to=ada, sent=portal.now - 9 * DAY)
    changed(due, letter=earlier)
    portal.look()
    assert now_is(due).removed is None
    assert now_is(due).letter.sent == portal.now
    assert Letter.objects.count() == 2
    portal.live(2 * HOUR)
    assert Letter.objects.count() == 2


def test_not_deleted_if_used_since_the_warning(portal, due):
    changed(due, last_activity=portal.now - 5 * DAY)
    portal.look()
    assert (now_is(due).removed, now_is(due).goes, now_is(due).warned) == (None, None, None)


def test_not_deleted_without_a_warning(portal, due):
    changed(due, warned=None)
    portal.look()
    assert now_is(due).removed is None
    assert now_is(due).goes == portal.now + DAY


@pytest.mark.parametrize("state", [SessionState.WAITING, SessionState.SPAWNING,
                                   SessionState.STOPPING])  # fmt: skip
def test_not_deleted_while_starting_or_stopping(portal, due, state):
    """Not even if it answered on time a moment ago."""
    Session.objects.update(state=state, asked=portal.now)
    portal.look()
    assert now_is(due).removed is None


@pytest.mark.parametrize("ago", [None, 16 * MINUTE, -MINUTE], ids=str)
def test_not_deleted_if_its_notebook_has_not_answered_lately(portal, due, ago):
    asked = None if ago is None else portal.now - ago
    portal.mute = {due.pk}
    Session.objects.update(state=SessionState.READY, asked=asked)
    portal.look()
    assert now_is(due).removed is None
    Session.objects.update(asked=portal.now - MINUTE)
    portal.look()
    assert now_is(due).removed


@pytest.mark.parametrize("field", ["last_activity", "warned", "goes", "current"])
def test_not_deleted_if_changed_since_it_was_read(portal, due, field):
    later: dict[str, Any] = {
        "last_activity": portal.now, "warned": None, "goes": None, "current": None,
    }  # fmt: skip
    changed(due, **{field: later[field]})
    cull.delete_unused(due, 7)
    assert now_is(due).removed is None
    assert not Removal.objects.exists()


def test_number_of_deletions_per_pass_is_limited(ada, portal, unused, due):
    others = [unused(ada, 30) for _number in range(3)]
    ids = [due.pk, *(each.pk for each in others)]
    rows = Project.objects.filter(pk__in=ids)
    rows.update(warned=portal.now - DAY, goes=portal.now)
    since = portal.now - MONTH
    assert cull._delete_due(rows, 7, since, portal.now, 3) == 3
    assert rows.existing().count() == 1
    assert cull._delete_due(rows, 7, since, portal.now, 3) == 1
    assert not rows.existing().exists()


# --- Stopping ---
@pytest.fixture
def quiet(ada, portal, unused, settings) -> Project:
    """A project that is just about to be stopped."""
    settings.PORTAL_STOP_IDLE_HOURS = 6
    project: Project = unused(ada, 0.25, ProjectState.READY)
    Session.objects.update(asked=portal.now)
    return project


def stop(portal: Portal, since: timedelta = MONTH) -> str:
    cull.stop_idle(portal.now - since, portal.now)
    return str(Session.objects.get().state)


def test_notebook_is_stopped_after_its_idle_hours(portal, quiet):
    assert stop(portal) == "stopping"


def test_notebook_is_not_stopped_if_any_condition_fails(portal, quiet):
    assert stop(portal, 6 * HOUR - MINUTE) == "ready"
    changed(quiet, last_activity=portal.now - 6 * HOUR + MINUTE)
    assert stop(portal) == "ready"
    changed(quiet, last_activity=portal.now - 6 * HOUR)
    for field, value in (("ready", portal.now - HOUR), ("asked", None),
                         ("asked", portal.now - 16 * MINUTE)):  # fmt: skip
        before = getattr(Session.objects.get(), field)
        Session.objects.update(**{field: value})
        assert stop(portal) == "ready", field
        Session.objects.update(**{field: before})
    assert stop(portal) == "stopping"


def test_notebook_used_since_it_was_read_is_not_stopped(portal, quiet):
    changed(quiet, last_activity=portal.now)
    cull._stop(quiet, 6)
    assert Session.objects.get().state == "ready"
