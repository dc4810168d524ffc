"""Unused projects: announced a day before, kept by one click, deleted as announced."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_q.models import OrmQ

from portal.models import Installation
from quotas.limits import effective_of
from quotas.models import Grant, LimitSet
from sessions import lifecycle
from sessions.culling import cull
from sessions.errors import StateConflict
from sessions.installation import ownership
from sessions.models import Event, Project, Removal, Session
from sessions.states import ProjectState, SessionState
from tests.culling.conftest import DAY, HOUR, MINUTE, now_is

pytestmark = pytest.mark.django_db(transaction=True)


def test_nothing_is_announced_before_the_last_day(ada, portal, unused):
    project = unused(ada)
    portal.live(DAY - MINUTE)
    assert now_is(project).goes is None
    portal.live(MINUTE)
    assert now_is(project).warned == portal.now
    assert now_is(project).goes == portal.now + DAY


@pytest.mark.parametrize(
    "state", [ProjectState.STOPPED, ProjectState.FAILED, ProjectState.READY], ids=str
)
def test_project_is_deleted_at_the_announced_time_and_not_before(ada, portal, unused, state):
    project = unused(ada, state=state)
    portal.live(2 * DAY - MINUTE)
    assert not now_is(project).removed
    portal.live(MINUTE)
    assert now_is(project).removed == portal.now
    assert now_is(project).drops == portal.now + 14 * DAY
    assert not any(row.task["func"].endswith("remove_project") for row in OrmQ.objects.all())


def test_deletion_is_recorded_in_the_timeline_and_the_removals(ada, portal, unused):
    projects = [unused(ada), unused(ada, state=ProjectState.READY)]
    portal.live(2 * DAY)
    why = "Deleted after 7 days without use; its owner was notified a day before."
    for project in projects:
        assert Event.objects.filter(project=project).latest("seq").message == why
    assert set(Removal.objects.values_list("kind", "name", "why")) == {
        ("project", project.name, why) for project in projects
    }


def test_nothing_is_deleted_while_the_data_belong_to_another_database(ada, portal, unused, backend):
    Installation.objects.set_id("a" * 32)
    project = unused(ada)
    portal.live(2 * DAY - MINUTE)
    backend.place = "b" * 32
    ownership.check_and_record()
    portal.live(DAY)
    assert not now_is(project).removed
    Installation.objects.set_id("b" * 32)
    ownership.check_and_record()
    portal.live(MINUTE)
    assert now_is(project).removed == portal.now


def test_a_running_notebook_is_stopped_first(ada, portal, unused):
    project = unused(ada, state=ProjectState.READY)
    portal.live(2 * DAY)
    assert now_is(project).current.state == SessionState.STOPPING
    assert any(row.task["func"].endswith("remove_server") for row in OrmQ.objects.all())


def test_keeping_a_project_counts_as_use(ada, portal, unused):
    project = unused(ada)
    portal.live(DAY + 23 * HOUR)
    lifecycle.keep(now_is(project), ada)
    assert now_is(project).last_activity == portal.now
    portal.live(DAY)
    assert (now_is(project).removed, now_is(project).goes) == (None, None)


def test_starting_a_project_cancels_its_deletion(ada, portal, unused):
    project = unused(ada)
    portal.live(DAY)
    lifecycle.start(now_is(project), ada)
    assert (now_is(project).warned, now_is(project).goes) == (None, None)


def test_use_counts_even_if_the_warning_was_not_withdrawn(ada, portal, unused):
    project = unused(ada)
    portal.live(DAY)
    Project.objects.update(last_activity=portal.now)
    portal.live(DAY)
    assert (now_is(project).removed, now_is(project).goes) == (None, None)


def test_more_days_cancel_the_deletion_and_fewer_give_a_full_warning(ada, portal, unused):
    project = unused(ada)
    portal.live(DAY + 12 * HOUR)
    limits = LimitSet.objects.create(user=ada, idle_days=30)
    portal.live(DAY)
    assert (now_is(project).removed, now_is(project).goes) == (None, None)
    LimitSet.objects.filter(pk=limits.pk).update(idle_days=2)
    portal.live(MINUTE)
    assert now_is(project).goes == portal.now + DAY


def test_zero_days_mean_never_even_with_a_grant(ada, portal, unused):
    LimitSet.objects.create(idle_days=0)
    project = unused(ada, 400)
    Grant.objects.create(user=ada, limit="idle_days", value=14, until=(portal.now + DAY).date())
    assert effective_of(ada)["idle_days"].value == 0
    portal.live(2 * DAY)
    assert (now_is(project).removed, now_is(project).goes) == (None, None)


def test_zero_days_cancel_an_announced_deletion(ada, portal, unused):
    project = unused(ada)
    portal.live(DAY)
    LimitSet.objects.create(user=ada, idle_days=0)
    portal.live(2 * DAY)
    assert (now_is(project).removed, now_is(project).goes) == (None, None)


@pytest.mark.parametrize("idle_days", [1, 2])
def test_warning_lasts_a_full_day_however_few_the_idle_days(ada, portal, unused, idle_days):
    LimitSet.objects.create(user=ada, idle_days=idle_days)
    project = unused(ada, 0)
    portal.live(DAY)
    warned = now_is(project).warned
    portal.live(warned + DAY - portal.now - MINUTE)
    assert not now_is(project).removed
    portal.live(MINUTE)
    assert now_is(project).removed


def test_each_owner_has_their_own_idle_days(ada, bob, portal, unused):
    LimitSet.objects.create(user=bob, idle_days=30)
    hers, his = unused(ada), unused(bob)
    portal.live(3 * DAY)
    assert now_is(hers).removed
    assert not now_is(his).removed


@pytest.mark.parametrize(
    "state", [SessionState.WAITING, SessionState.SPAWNING, SessionState.STOPPING], ids=str
)
def test_project_that_is_starting_or_stopping_is_left_alone(ada, portal, unused, state):
    project = unused(ada)
    Session.objects.update(state=state)
    portal.live(3 * DAY)
    assert not now_is(project).removed


def test_silent_notebook_is_not_taken_for_idle(ada, bob, portal, unused):
    mute, other = unused(ada, state=ProjectState.READY), unused(bob, state=ProjectState.READY)
    portal.mute = {mute.pk}
    portal.live(3 * DAY)
    assert now_is(other).removed
    assert not now_is(mute).removed
    portal.mute = set()
    portal.live(MINUTE)
    assert now_is(mute).removed


def test_answer_dated_in_the_future_is_ignored(ada, bob, portal, unused):
    project = unused(ada, state=ProjectState.READY)
    portal.live(2 * DAY - MINUTE)
    portal.notebooks_answer = False
    Session.objects.filter(project=project).update(asked=portal.now + DAY)
    portal.live(MINUTE)
    assert not now_is(project).removed


def test_either_keep_or_deletion_wins_whichever_comes_first(ada, portal, unused):
    first, second = unused(ada), unused(ada)
    portal.live(2 * DAY - MINUTE)
    seen = [now_is(first), now_is(second)]
    lifecycle.keep(seen[0], ada)
    for project in seen:
        cull.delete_unused(project, 7)
    assert not now_is(first).removed
    assert now_is(second).removed
    with pytest.raises(StateConflict, match=r"project\.deleted"):
        lifecycle.keep(seen[1], ada)
    assert Removal.objects.count() == 1


def test_two_passes_at_once_delete_once(ada, portal, unused):
    project = unused(ada)
    portal.live(2 * DAY - MINUTE)
    seen = now_is(project)
    portal.live(MINUTE)
    cull.delete_unused(seen, 7)
    portal.look()
    assert Removal.objects.count() == 1
    assert Event.objects.filter(project=project, message__startswith="Deleted").count() == 1


def test_project_deleted_by_its_owner_is_not_reported_as_expired(ada, portal, unused):
    project = unused(ada)
    portal.live(DAY)
    lifecycle.delete(now_is(project), ada)
    assert [each.goes for each in Project.objects.deleted_of(ada, portal.now - DAY)] == [None]


def test_number_of_queries_does_not_grow_with_people(ada, bob, portal, unused):
    def queries_of_a_look() -> int:
        with CaptureQueriesContext(connection) as counted:
            cull.cull(portal.clock)
        return len(counted)

    unused(ada, 6.5)
    portal.look()
    before = queries_of_a_look()
    for _number in range(3):
        unused(bob, 6.5)
    portal.look()
    assert queries_of_a_look() == before
