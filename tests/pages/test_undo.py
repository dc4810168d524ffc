"""Undo after deleting, the list of deleted projects, and the page of a deleted project."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from quotas.models import LimitSet
from sessions import lifecycle
from sessions.models import Project
from sessions.states import ProjectState
from tests.making import words_of
from tests.stages import project_in

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
HTMX = {"HX-Request": "true", "HX-Current-URL": "http://testserver/"}


@pytest.fixture
def deleted(ada, backend) -> Project:
    project = project_in(ProjectState.STOPPED, ada)
    lifecycle.delete(project, ada)
    return Project.objects.get(pk=project.pk)


def now_is(project: Project) -> Project:
    return Project.objects.get(pk=project.pk)


def act(client: Client, project: Project, verb: str, to: str = "/", **more: str):
    return client.post(f"/projects/{project.name}/{verb}/", {"next": to, **more}, follow=True)


def words(answer) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", answer.content.decode()).split())


def test_message_after_deleting_offers_undo(ada, as_ada, backend):
    project = project_in(ProjectState.STOPPED, ada)
    page = act(as_ada, project, "delete").content.decode()
    message = page.partition('class="message success"')[2].partition("</form>")[0]
    assert f'action="/projects/{project.name}/restore/"' in message
    assert "csrfmiddlewaretoken" in message
    assert "Undo" in message
    answer = act(as_ada, project, "restore")
    assert "ada/flowers is restored, with all its files." in words(answer)
    assert not now_is(project).removed


def test_htmx_response_offers_undo_and_refreshes_the_lists(ada, as_ada, backend):
    project = project_in(ProjectState.STOPPED, ada)
    answer = as_ada.post(f"/projects/{project.name}/delete/", {"next": "/"}, headers=HTMX)
    assert answer.headers["HX-Trigger"] == '{"changed": {}}'
    assert f"/projects/{project.name}/restore/" in answer.content.decode()
    part = as_ada.get("/projects/", headers=HTMX).content.decode()
    assert re.search(r'<div id="deleted"\s+hx-swap-oob="true">', part)
    assert f'id="deleted-{project.name}"' in part


@pytest.mark.parametrize("address", ["/", "/going/"])
def test_deleted_project_is_listed_with_its_deadline_and_actions(as_ada, deleted, address):
    Project.objects.update(drops=timezone.now() + DAY)
    page = as_ada.get(address).content.decode()
    row = page.partition(f'id="deleted-{deleted.name}"')[2].partition("</li>")[0]
    assert "can be restored until tomorrow at" in words_of(as_ada, address)
    for verb in ("restore", "delete-for-good"):
        assert f'formaction="/projects/{deleted.name}/{verb}/"' in row
    assert 'aria-label="Restore ada/flowers"' in " ".join(row.split())
    assert "You can restore a deleted project" in page


@pytest.mark.parametrize("address", ["/", "/going/"])
def test_deleted_project_is_not_listed_for_anybody_else(as_bob, as_stan, deleted, address):
    for client in (as_bob, as_stan):
        assert deleted.name not in client.get(address).content.decode()


def test_project_deleted_for_good_leaves_the_list(as_ada, deleted):
    answer = act(as_ada, deleted, "delete-for-good", "/going/")
    assert "ada/flowers is deleted for good." in words(answer)
    assert "You have no recently deleted projects." in words(answer)
    assert not now_is(deleted).is_restorable
    assert act(as_ada, deleted, "restore").status_code == 404


def test_page_of_a_deleted_project_offers_to_restore_it(as_ada, as_stan, as_vera, deleted):
    address = f"/projects/{deleted.name}/"
    page = words_of(as_ada, address)
    assert "deleted just now can be restored until" in page
    assert "Restoring brings the project back as it was" in page
    assert act(as_ada, deleted, "restore", address).redirect_chain == [(address, 303)]
    assert "Activity" in words_of(as_ada, address)
    act(as_ada, deleted, "delete", address)
    assert "belongs to ada" in words_of(as_stan, address)
    assert "/restore/" in as_stan.get(address).content.decode()
    assert "/restore/" not in as_vera.get(address).content.decode()


def test_deleting_for_good_from_the_project_page_leads_home(as_ada, deleted):
    answer = act(as_ada, deleted, "delete-for-good", f"/projects/{deleted.name}/")
    assert answer.redirect_chain == [("/", 303)]


def test_restoring_at_the_limit_offers_to_delete_another_project(ada, as_ada, deleted):
    LimitSet.objects.create(user=ada, projects=1)
    other = project_in(ProjectState.STOPPED, ada, "eve/bees")
    answer = act(as_ada, deleted, "restore")
    assert answer.redirect_chain == [(f"/projects/{deleted.name}/", 303)]
    assert "You have 1 of 1 project. Delete one to restore another." in words(answer)
    assert "Delete it and restore the other" in words(answer)
    assert now_is(deleted).is_restorable
    answer = act(as_ada, deleted, "restore", delete=other.name)
    assert "ada/flowers is restored" in words(answer)
    assert now_is(other).is_restorable


def test_second_click_on_undo_says_there_is_nothing_to_restore(as_ada, deleted):
    act(as_ada, deleted, "restore")
    answer = act(as_ada, deleted, "restore")
    assert "The project is not deleted, so there is nothing to restore." in words(answer)


@pytest.mark.parametrize("verb", ["restore", "delete-for-good"])
def test_bob_eve_and_viewers_cannot_restore_or_delete(as_bob, as_eve, as_vera, deleted, verb):
    assert act(as_bob, deleted, verb).status_code == 404
    assert act(as_vera, deleted, verb).status_code == 403
    assert as_eve.post(f"/projects/{deleted.name}/{verb}/").status_code == 302
    assert as_bob.get(f"/projects/{deleted.name}/").status_code == 404
    assert now_is(deleted).is_restorable


def test_restoring_and_deleting_need_the_csrf_token(ada, deleted):
    client = Client(enforce_csrf_checks=True)
    client.force_login(ada)
    for verb in ("restore", "delete-for-good"):
        assert client.post(f"/projects/{deleted.name}/{verb}/").status_code == 403
    assert now_is(deleted).is_restorable


def test_deleted_project_is_not_listed_and_cannot_be_opened(as_ada, deleted):
    shelf = as_ada.get("/projects/", headers=HTMX).content.decode().partition('id="deleted"')[0]
    assert deleted.name not in shelf
    assert as_ada.get(f"/projects/{deleted.name}/open/").status_code == 404
    assert as_ada.get(f"/projects/{deleted.name}/log.txt").status_code == 404


def test_overdue_deleted_project_can_be_restored_until_it_is_dropped(as_ada, deleted):
    Project.objects.update(removed=timezone.now() - 8 * DAY, drops=timezone.now() - DAY)
    assert "can be restored for a little while longer" in words_of(as_ada, "/going/")
