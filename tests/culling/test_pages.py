"""Pages about expiring projects: a banner on every page, the letter's page, cards, and what was
deleted.
"""

from __future__ import annotations

import re

import pytest
from django.test import Client

from quotas.models import LimitSet
from sessions import lifecycle
from sessions.models import Project
from sessions.states import ProjectState
from tests.culling.conftest import DAY, HOUR, now_is

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.one_database]


@pytest.fixture
def going(ada, portal, unused) -> list[Project]:
    projects = [unused(ada, 6, repository=f"ada/{name}") for name in ("flowers", "trees")]
    portal.look()
    return projects


def page(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("address", ["/", "/account/", "/going/"])
def test_every_page_says_what_is_deleted_and_when(as_ada, going, address):
    shown = page(as_ada, address)
    assert (
        "2 projects will be deleted because nobody uses them, the first tomorrow at 12:00 UTC"
        in shown
    )
    assert "Keep all" in shown
    for project in going:
        assert f"/projects/{project.name}/keep/" in shown


def test_nobody_else_sees_the_warning(as_bob, as_stan, as_eve, going):
    for client in (as_bob, as_stan, as_eve):
        assert "projects will be deleted" not in page(client, "/")
    assert "None of your projects is about to be deleted." in page(as_bob, "/going/")


def test_link_in_the_letter_leads_to_its_page_after_signing_in(as_eve, ada, going):
    answer = as_eve.get("/going/")
    assert answer.url == "/sign-in/?next=/going/"
    words = {"username": "ada", "password": "ada's password"}
    answer = as_eve.post(answer.url, words)
    assert (answer.status_code, answer.url) == (302, "/going/")


def test_get_requests_keep_nothing(as_ada, going):
    for address in ("/going/", "/going/keep/", f"/projects/{going[0].name}/keep/"):
        as_ada.get(address)
        as_ada.head(address)
    assert Project.objects.expiring().count() == 2


def test_one_click_keeps_all_projects(as_ada, going):
    answer = as_ada.post("/going/keep/", {"next": "/account/"}, follow=True)
    assert answer.redirect_chain == [("/account/", 303)]
    assert "2 projects are kept." in answer.content.decode()
    assert not Project.objects.expiring().exists()


def test_keeping_one_project_does_not_keep_the_other(as_ada, portal, going):
    answer = as_ada.post(f"/projects/{going[0].name}/keep/", {"next": "/going/"}, follow=True)
    assert "ada/flowers is kept: its days of inactivity start over." in answer.content.decode()
    portal.live(DAY)
    assert not now_is(going[0]).removed
    assert now_is(going[1]).removed


def test_keeping_deleted_projects_says_that_nothing_is_left(as_ada, portal, going):
    portal.live(DAY)
    answer = as_ada.post("/going/keep/", {"next": "/"}, follow=True)
    assert "There was nothing left to keep" in answer.content.decode()


def test_list_that_arrives_live_renews_the_warning(as_ada, portal, going):
    def fragment() -> str:
        return as_ada.get("/projects/", headers={"HX-Request": "true"}).content.decode()

    shown = fragment()
    assert shown.count('id="keep-') == 2
    assert re.search(r'name="next"\s+value="/"', shown.partition('id="expiry"')[2])
    portal.live(DAY)
    shown = fragment()
    assert 'id="keep-' not in shown
    assert 'id="expiry"' in shown


def test_keeping_needs_the_csrf_token(ada, going):
    client = Client(enforce_csrf_checks=True)
    client.force_login(ada)
    assert client.post("/going/keep/").status_code == 403
    assert client.post(f"/projects/{going[0].name}/keep/").status_code == 403
    assert Project.objects.expiring().count() == 2


def test_permanent_deletions_are_shown_for_a_week(as_ada, portal, going, settings):
    settings.PORTAL_UNDO_UNUSED_DAYS = 0
    assert "After that, a project cannot be restored." in page(as_ada, "/")
    portal.live(DAY)
    for address in ("/", "/going/"):
        shown = page(as_ada, address)
        assert "2 of your projects were recently deleted because nobody used them" in shown
        assert "/?repository=ada%2Fflowers" in shown
        assert "/home/ada-nfs-pvc" in shown
    portal.sleep(7 * DAY)
    assert "recently deleted" not in page(as_ada, "/")


def test_cards_and_project_pages_say_when_each_project_expires(as_ada, ada, portal, unused):
    project = unused(ada, 0, ProjectState.READY)
    for address in ("/", f"/projects/{project.name}/"):
        assert "on 9 November" in page(as_ada, address)
    LimitSet.objects.create(user=ada, idle_days=0)
    card = page(as_ada, "/").partition('class="card project')[2].partition("<ul")[0]
    assert "expires" not in card
    details = " ".join(page(as_ada, f"/projects/{project.name}/").split())
    assert "<dt>Expires</dt> <dd> never </dd>" in details


def test_staff_see_when_a_project_expires(as_stan, ada, portal, going):
    shown = page(as_stan, "/admin/notebook_sessions/project/")
    assert shown.count("expires tomorrow at 12:00 UTC") == 2
    shown = page(as_stan, f"/admin/notebook_sessions/project/{going[0].pk}/change/")
    assert "expires tomorrow at 12:00 UTC" in shown
    lifecycle.keep(going[0], ada)
    assert "expires on 9 November" in page(as_stan, "/admin/notebook_sessions/project/")


def test_pages_say_how_long_expired_projects_can_be_restored(as_ada, portal, going, settings):
    for days in (14, 2):
        settings.PORTAL_UNDO_UNUSED_DAYS = days
        hint = f"After that, a project can be restored with all its files for {days} days."
        for address in ("/", "/going/"):
            assert hint in page(as_ada, address)
    portal.live(DAY)
    shown = page(as_ada, "/going/")
    assert "2 of your projects were recently deleted because nobody used them" in shown
    for project in going:
        assert f"/projects/{project.name}/restore/" in shown
    portal.live(2 * DAY - HOUR)
    assert "/restore/" in page(as_ada, "/going/")
    portal.live(HOUR)
    assert "/restore/" not in page(as_ada, "/going/")
    assert not Project.objects.kept().exists()
