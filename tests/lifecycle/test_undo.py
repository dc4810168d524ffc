"""A deleted project can be restored for some days, with its files; then the back end drops it."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.utils import timezone

from portal.models import User
from quotas.models import LimitSet
from sessions import lifecycle
from sessions.errors import NotAllowed, QuotaExceeded, StateConflict, TemporaryError
from sessions.lifecycle import ending, orphans
from sessions.models import Event, Project, Session
from sessions.progress.broadcast import _project_list_versions
from sessions.states import ProjectState
from sessions.watch.reconcile import reconcile
from tests.making import project_of
from tests.scripted import ScriptedBackend
from tests.stages import project_in

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.databases]

DAY = timedelta(days=1)


@pytest.fixture
def project(ada, backend: ScriptedBackend) -> Project:
    """A stopped project whose files the back end keeps."""
    project = project_in(ProjectState.STOPPED, ada)
    backend.kept_projects = {project.name}
    return project


@pytest.fixture
def minutes(worker):
    def pass_by(count: int = 2) -> None:
        for _minute in range(count):
            reconcile()
            worker.run()

    return pass_by


def now_is(project: Project) -> Any:
    return Project.objects.select_related("current").get(pk=project.pk)


def last_said(project: Project) -> str:
    return Event.objects.filter(project=project).latest("seq").message


def days_later(project: Project, days: float) -> None:
    """Make it look as if the project was deleted so many days ago."""
    row, by = now_is(project), days * DAY
    Project.objects.filter(pk=row.pk).update(removed=row.removed - by, drops=row.drops - by)


def let_go_due() -> int:
    return ending.delete_for_good_due(timezone.now() - DAY, {}, timezone.now())


def test_a_deleted_project_keeps_its_files_and_can_be_restored(project, ada, backend, minutes):
    lifecycle.delete(project, ada)
    minutes()
    assert backend.projects() == [project.name]
    assert now_is(project).drops == now_is(project).removed + 7 * DAY
    assert not Project.objects.visible_to(ada).exists()
    assert lifecycle.restore(project, ada) == project
    minutes()
    assert Project.objects.get_visible(project.name, ada) == project
    assert (now_is(project).removed, now_is(project).drops) == (None, None)
    assert backend.projects() == [project.name]


def test_a_restored_project_is_stopped_recently_used_and_startable(project, ada, backend):
    Project.objects.update(last_activity=timezone.now() - 30 * DAY)
    lifecycle.delete(project, ada)
    restored = lifecycle.restore(project, ada)
    assert restored.state == ProjectState.STOPPED
    assert timezone.now() - restored.last_activity < DAY
    assert last_said(project) == "Restored by ada."
    assert lifecycle.start(restored, ada).is_live


def test_a_running_project_can_be_restored_while_it_stops(
    ada, url, bring_up, worker, watch, backend
):
    project = bring_up(lifecycle.launch(ada, url))
    lifecycle.delete(project, ada)
    assert lifecycle.restore(project, ada).state == ProjectState.STOPPING
    worker.run()
    watch.look()
    worker.run()
    assert now_is(project).state == ProjectState.STOPPED
    assert backend.projects() == [project.name]


@pytest.mark.parametrize("how", ["at once", "later"])
def test_a_project_deleted_for_good_cannot_be_restored(project, ada, backend, minutes, how):
    if how == "later":
        lifecycle.delete(project, ada)
    lifecycle.delete(project, ada, for_good=True)
    assert last_said(project) == "Deleted for good by ada."
    with pytest.raises(StateConflict, match=r"project\.deleted"):
        lifecycle.restore(project, ada)
    minutes()
    assert backend.projects() == []
    assert (now_is(project).removed is None, now_is(project).drops) == (False, None)


@pytest.mark.parametrize(("days", "goes"), [(6.9, False), (7.1, True)])
def test_an_expired_deletion_removes_the_files_once(project, ada, backend, minutes, days, goes):
    lifecycle.delete(project, ada)
    days_later(project, days)
    assert let_go_due() == int(goes)
    assert let_go_due() == 0
    minutes()
    assert backend.projects() == ([] if goes else [project.name])
    assert now_is(project).is_restorable != goes


def test_an_outage_leaves_one_more_day_to_restore(project, ada):
    """The portal was away, or its clock was moved."""
    lifecycle.delete(project, ada)
    days_later(project, 30)
    now = timezone.now()
    assert ending.delete_for_good_due(now - 0.9 * DAY, {}, now) == 0
    assert now_is(project).is_restorable
    assert ending.delete_for_good_due(now - DAY, {}, now) == 1


def test_an_unavailable_identity_provider_delays_deletion_for_good(project, ada, bob):
    User.objects.filter(pk=ada.pk).update(issuer="https://id.example.org")
    for each in (project, project_of(bob, "birds")):
        lifecycle.delete(each, each.owner)
        days_later(each, 30)
    now = timezone.now()
    for moment, count in ((None, 1), (now - 0.9 * DAY, 0), (now - DAY, 1)):
        by_provider = {"https://id.example.org": moment, "https://other.example.org": None}
        assert ending.delete_for_good_due(now - 9 * DAY, by_provider, now) == count
    assert not Project.objects.restorable().exists()


def test_an_overdue_project_can_be_restored_until_it_is_removed(project, ada):
    lifecycle.delete(project, ada)
    days_later(project, 30)
    lifecycle.restore(project, ada)
    assert let_go_due() == 0
    assert not now_is(project).removed


def test_the_files_are_removed_once_the_back_end_is_reachable_again(project, ada, backend, minutes):
    def away(_name: str, _volume: str) -> bool:
        raise TemporaryError("backend.away", "It does not answer.")

    lifecycle.delete(project, ada, for_good=True)
    remove, backend.remove_project = backend.remove_project, away
    for _minute in range(2):
        with pytest.raises(TemporaryError):
            minutes(1)
    assert Project.objects.pending_removal().get() == project
    backend.remove_project = remove
    minutes(1)
    assert not Project.objects.pending_removal().exists()
    assert backend.projects() == []


def test_a_project_that_the_back_end_does_not_list_is_removed_too(project, ada, backend, minutes):
    """The back end may keep files that it cannot easily list."""
    backend.kept_projects, backend.removed_from = set(), {}
    lifecycle.delete(project, ada)
    minutes()
    assert backend.removed_from == {}
    days_later(project, 8)
    let_go_due()
    minutes()
    assert set(backend.removed_from) == {project.name}


def test_removal_is_repeated_until_the_volume_is_empty(project, ada, backend, minutes):
    Project.objects.update(files_volume="ada")
    backend.lingering.add(project.name)
    lifecycle.delete(project, ada, for_good=True)
    minutes()
    assert Project.objects.pending_removal().get() == project
    backend.lingering.clear()
    minutes()
    assert not Project.objects.pending_removal().exists()
    assert backend.removed_from == {project.name: "ada"}
    assert now_is(project).files_volume == "", "nothing tells of it any more"


@pytest.mark.parametrize("days", [0, 3])
def test_the_undo_period_is_a_setting_and_0_removes_at_once(
    project, ada, minutes, backend, settings, days
):
    settings.PORTAL_UNDO_DAYS = days
    lifecycle.delete(project, ada)
    assert now_is(project).is_restorable == bool(days)
    minutes()
    assert backend.projects() == ([project.name] if days else [])


def test_projects_deleted_by_an_earlier_version_cannot_be_restored(project, ada, backend, minutes):
    """Deleted by an earlier version: nothing of them was kept."""
    Project.objects.update(removed=timezone.now())
    assert list(orphans.droppable([project.name])) == [project.name]
    with pytest.raises(StateConflict):
        lifecycle.restore(project, ada)
    minutes()
    assert backend.projects() == []


def test_a_deleted_project_counts_against_the_limit_once_restored(project, ada):
    LimitSet.objects.create(user=ada, projects=1)
    lifecycle.delete(project, ada)
    other = lifecycle.launch(ada, "eve/bees")
    with pytest.raises(QuotaExceeded) as refusal:
        lifecycle.restore(project, ada)
    assert refusal.value.code == "quota.projects"
    assert [each["name"] for each in refusal.value.details["projects"]] == [other.name]
    assert now_is(project).is_restorable
    lifecycle.delete(other, ada)
    assert not lifecycle.restore(project, ada).removed


def test_restoring_twice_is_a_state_conflict(project, ada):
    LimitSet.objects.create(user=ada, projects=1)
    lifecycle.delete(project, ada)
    lifecycle.restore(project, ada)
    with pytest.raises(StateConflict, match=r"project\.state"):
        lifecycle.restore(project, ada)
    assert Event.objects.filter(project=project, message="Restored by ada.").count() == 1


def test_only_the_owner_and_permitted_staff_may_restore(project, ada, bob, vera, stan):
    lifecycle.delete(project, ada)
    for user in (bob, vera):
        with pytest.raises(NotAllowed):
            lifecycle.restore(project, user)
    lifecycle.restore(project, stan)
    assert last_said(project) == "Restored by stan."


def test_a_project_that_never_ran_can_be_deleted_and_restored(ada, backend):
    project = project_of(ada)
    lifecycle.delete(project, ada)
    assert lifecycle.restore(project, ada).state == ProjectState.STOPPED
    assert not Session.objects.exists()


def test_concurrent_restores_and_launches_respect_the_limit(ada, backend):
    LimitSet.objects.create(user=ada, projects=3)
    deleted = [project_of(ada, f"flowers-{number}") for number in range(6)]
    for project in deleted:
        lifecycle.delete(project, ada)
    outcomes: list[str] = []

    def try_it(project: Project, number: int) -> None:
        try:
            if number % 2:
                lifecycle.launch(ada, "eve/bees")
            else:
                lifecycle.restore(project, ada)
        except QuotaExceeded as error:
            outcomes.append(error.code)
        else:
            outcomes.append("there")
        finally:
            connection.close()

    threads = [
        threading.Thread(target=try_it, args=(project, number))
        for number, project in enumerate(deleted)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == 3 * ["quota.projects"] + 3 * ["there"]
    assert Project.objects.existing().count() == 3


def test_restoring_is_refused_once_removal_has_begun(project, ada, backend, minutes):
    lifecycle.delete(project, ada)
    days_later(project, 8)
    let_go_due()
    with pytest.raises(StateConflict):
        lifecycle.restore(project, ada)
    minutes()
    assert backend.projects() == []
    assert now_is(project).removed


async def test_each_deletion_and_restoration_changes_the_list_version(project, ada):
    before = dict(await _project_list_versions([ada.pk]))
    await sync_to_async(lifecycle.delete)(project, ada)
    deleted = dict(await _project_list_versions([ada.pk]))
    await sync_to_async(lifecycle.restore)(project, ada)
    restored = dict(await _project_list_versions([ada.pk]))
    await sync_to_async(lifecycle.delete)(project, ada)
    again = dict(await _project_list_versions([ada.pk]))
    assert len({each[ada.pk] for each in (before, deleted, restored, again)}) == 4
