"""Objects that were set aside are listed, put back, or removed when their time is up."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from portal.models import Installation
from portal.templatetags.lifetimes import relative_time
from sessions.installation import set_aside
from sessions.models import Project, Removal, SetAside
from sessions.watch.reconcile import reconcile
from tests.scripted import ScriptedBackend

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/admin/notebook_sessions/setaside/"


@pytest.fixture
def aside(settled: ScriptedBackend, worker) -> SetAside:
    """A folder that belongs to no project, set aside."""
    settled.kept_projects = {"nobodys-1"}
    for _minute in range(2):
        reconcile()
        worker.run()
    return SetAside.objects.get()


def days_go_by(days: float) -> None:
    SetAside.objects.update(since=timezone.now() - timedelta(days=days))


def act(client, aside: SetAside, action: str) -> str:
    answer = client.post(
        LIST, {"action": action, "_selected_action": aside.pk, "confirmed": "1"}, follow=True
    )
    text: str = answer.content.decode()
    return text


def test_a_set_aside_project_is_kept_for_two_weeks(aside, settled, worker):
    assert aside.until - aside.since == timedelta(days=14)
    for days, there in ((13.9, True), (14.1, False)):
        days_go_by(days)
        reconcile()
        worker.run()
        assert bool(settled.kept_aside) is there
    assert not SetAside.objects.exists()
    removal = Removal.objects.get()
    assert (removal.name, removal.size) == ("nobodys-1", 1000)


def test_staff_can_change_the_retention_of_existing_items(as_stan, as_sue, aside, settled, worker):
    page = f"/admin/portal/installation/{Installation.objects.current_id()}/change/"
    assert as_sue.post(page, {"keep_days": 1}).status_code == 403
    assert as_stan.post(page, {"keep_days": 30}).status_code == 302
    days_go_by(29)
    reconcile()
    worker.run()
    assert settled.kept_aside
    assert as_stan.post(page, {"keep_days": 0}).status_code == 200  # refused
    assert Installation.objects.current().keep_days == 30


def test_nothing_is_removed_while_the_data_belong_to_another_database(aside, settled, worker):
    days_go_by(100)
    settled.place = "b" * 32
    reconcile()
    worker.lose()
    set_aside.remove(aside.pk)
    assert settled.kept_aside


def test_nothing_is_removed_while_much_is_unknown(aside, settled, worker):
    days_go_by(100)
    settled.kept_projects = {f"nobodys-{number}" for number in range(2, 10)}
    reconcile()
    worker.run()
    assert settled.kept_aside


def test_staff_see_name_size_and_expiry_of_set_aside_items(as_vera, aside):
    text = as_vera.get(LIST).content.decode()
    assert "nobodys-1" in text and "1000" in text.replace("\xa0bytes", "")
    assert "Remove now" not in text
    for page in (LIST, f"{LIST}{aside.pk}/change/"):
        assert f">{relative_time(aside.until)}</time>" in as_vera.get(page).content.decode()


def test_staff_put_a_folder_back_once_its_row_exists_again(as_stan, ada, aside, settled, worker):
    assert "First restore the database that contains it" in act(as_stan, aside, "put_back")
    Project.objects.create(owner=ada, name="nobodys-1", provider="git", url="u")
    act(as_stan, aside, "put_back")
    worker.run()
    assert settled.projects() == ["nobodys-1"]
    assert not SetAside.objects.exists()
    reconcile()
    worker.run()
    assert settled.projects() == ["nobodys-1"]


def test_a_folder_is_put_back_automatically_once_its_row_exists(ada, aside, settled, worker):
    Project.objects.create(owner=ada, name="nobodys-1", provider="git", url="u")
    reconcile()
    worker.run()
    assert settled.projects() == ["nobodys-1"]
    assert not settled.kept_aside


def test_a_folder_whose_project_exists_again_does_not_expire(ada, aside, settled, worker):
    """The project has been started anew meanwhile: which of the two folders stays, staff say."""
    Project.objects.create(owner=ada, name="nobodys-1", provider="git", url="u")
    settled.kept_projects = {"nobodys-1"}
    days_go_by(100)
    for _minute in range(2):
        reconcile()
        worker.run()
    set_aside.remove(aside.pk)
    assert settled.kept_aside
    assert SetAside.objects.get().problem


def test_a_folder_is_not_put_back_over_an_existing_one(as_stan, ada, aside, settled, worker):
    Project.objects.create(owner=ada, name="nobodys-1", provider="git", url="u")
    settled.kept_projects = {"nobodys-1"}
    act(as_stan, aside, "put_back")
    worker.run()
    assert settled.kept_aside
    assert "now has a folder" in as_stan.get(LIST).content.decode()


def test_staff_with_permission_can_remove_an_item_at_once(as_stan, as_sue, aside, settled, worker):
    act(as_sue, aside, "remove_now")
    worker.run()
    assert settled.kept_aside
    act(as_stan, aside, "remove_now")
    worker.run()
    assert not settled.kept_aside


def test_items_set_aside_by_another_database_get_the_full_retention(settled):
    settled.kept_aside = {"old-1.20250101T000000Z-abcdef": "old-1"}
    reconcile()
    assert SetAside.objects.get().since > timezone.now() - timedelta(minutes=1)
    settled.kept_aside = {}
    reconcile()
    assert not SetAside.objects.exists()
