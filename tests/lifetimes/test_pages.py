"""Pages about expiring projects: a banner on every page, the letter's page, cards, and what was
deleted."""

from __future__ import annotations

import pytest
from django.test import Client

from quotas.models import LimitSet
from sessions import lifecycle
from sessions.models import Project
from sessions.states import ProjectState
from tests.lifetimes.conftest import DAY, HOUR, now_is

pytestmark = pytest.mark.django_db(transaction=True)


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
def test_every_page_says_what_goes_and_when(as_ada, going, address):
    shown = page(as_ada, address)
    assert (
        "2 projects will be deleted because nobody uses them, the first tomorrow at 12:00 UTC"
        in shown
    )
    assert "Keep all" in shown
    for project in going:
        assert f"/projects/{project.name}/keep/" in shown


def test_nobody_else_is_told(as_bob, as_stan, as_eve, going):
    for client in (as_bob, as_stan, as_eve):
        assert "projects will be deleted" not in page(client, "/")
    assert "None of your projects is about to be deleted." in page(as_bob, "/going/")


def test_the_letters_link_leads_there_once_signed_in(as_eve, ada, going):
    answer = as_eve.get("/going/")
    assert answer.url == "/sign-in/?next=/going/"
    words = {"username": "ada", "password": "ada's password"}
    answer = as_eve.post(answer.url, words)
    assert (answer.status_code, answer.url) == (302, "/going/")


def test_to_look_keeps_nothing(as_ada, going):
    for address in ("/going/", "/going/keep/", f"/projects/{going[0].name}/keep/"):
        as_ada.get(address)
        as_ada.head(address)
    assert Project.objects.expiring().count() == 2


def test_all_are_kept_by_one_click_that_says_so(as_ada, going):
    answer = as_ada.post("/going/keep/", {"next": "/account/"}, follow=True)
    assert answer.redirect_chain == [("/account/", 303)]
    assert "2 projects are kept." in answer.content.decode()
    assert not Project.objects.expiring().exists()


def test_one_is_kept_and_the_other_goes_on_going(as_ada, portal, going):
    answer = as_ada.post(f"/projects/{going[0].name}/keep/", {"next": "/going/"}, follow=True)
    assert "ada/flowers is kept: its days of inactivity start over." in answer.content.decode()
    portal.live(DAY)
    assert not now_is(going[0]).removed
    assert now_is(going[1]).removed


def test_keeping_what_is_gone_says_so(as_ada, portal, going):
    portal.live(DAY)
    answer = as_ada.post("/going/keep/", {"next": "/"}, follow=True)
    assert "There was nothing left to keep" in answer.content.decode()


def test_nobody_keeps_without_a_token_against_forgery(ada, going):
    client = Client(enforce_csrf_checks=True)
    client.force_login(ada)
    assert client.post("/going/keep/").status_code == 403
    assert client.post(f"/projects/{going[0].name}/keep/").status_code == 403
    assert Project.objects.expiring().count() == 2


def test_what_went_for_good_stands_on_the_first_page_for_a_week(as_ada, portal, going, settings):
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


def test_cards_and_the_projects_own_page_say_when_each_goes(as_ada, ada, portal, unused):
    project = unused(ada, 0, ProjectState.READY)
    for address in ("/", f"/projects/{project.name}/"):
        assert "on 9 November" in page(as_ada, address)
    LimitSet.objects.create(user=ada, idle_days=0)
    card = page(as_ada, "/").partition('class="card project')[2].partition("<ul")[0]
    assert "expires" not in card
    details = " ".join(page(as_ada, f"/projects/{project.name}/").split())
    assert "<dt>Expires</dt> <dd> never </dd>" in details


def test_staff_see_when_a_project_of_somebodys_goes(as_stan, ada, portal, going):
    shown = page(as_stan, "/admin/notebook_sessions/project/")
    assert shown.count("expires tomorrow at 12:00 UTC") == 2
    shown = page(as_stan, f"/admin/notebook_sessions/project/{going[0].pk}/change/")
    assert "expires tomorrow at 12:00 UTC" in shown
    lifecycle.keep(going[0], ada)
    assert "expires on 9 November" in page(as_stan, "/admin/notebook_sessions/project/")


def test_what_went_can_be_restored_for_some_days_which_is_said_before(
    as_ada, portal, going, settings
):
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
