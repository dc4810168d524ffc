"""Nobody reaches a notebook but its owner, and nobody else learns that it exists."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote

import pytest
from django.contrib.sessions.models import Session as PortalSession
from django.utils import timezone
from websockets.exceptions import InvalidStatus

from keys.models import Token
from portal.models import User
from sessions.gateway import authorize
from sessions.gateway.authorize import Decision
from sessions.models import Project
from tests.gateway.conftest import Browser, browser_of, make_project, ticket_for
from tests.gateway.notebook import Notebook

NOBODYS = "ada-nothing-zzzzzzzz"


def bearer(user: User) -> str:
    return f"Bearer {Token.objects.issue(user, 'test')[1]}"


def test_the_owner_reaches_the_notebook(browser, notebook):
    notebook.seen.clear()
    assert browser.ask("/mine").status_code == 200
    assert notebook.seen == ["/mine"]


@pytest.mark.parametrize("name", ["ada-flowers-aaaaaaaa", NOBODYS])
def test_eve_does_not_learn_whether_a_notebook_exists(project, port, name, notebook):
    notebook.seen.clear()
    eve = Browser(port, name)
    page = eve.open_page("/lab?x=1&y")
    assert page.status_code == 302
    wanted = quote("/lab?x=1&y", safe="")
    start = f"http://localhost:{port}/projects/{name}/open/?path={wanted}&entrant="
    assert page.headers["location"].startswith(start)
    for answer in (
        eve.ask("/api/status"),
        eve.ask("/x", "POST"),
        eve.open_page(Sec_Fetch_Dest="iframe"),
    ):
        assert answer.status_code == 401
    assert eve.ask("/api/status").json()["code"] == "gateway.sign-in"
    with pytest.raises(InvalidStatus) as refusal:
        eve.socket()
    assert refusal.value.response.status_code == 401
    assert not notebook.seen


def test_a_cookie_opens_only_one_notebook(ada, bob, project, browser, notebook):
    others = [
        make_project(ada, "ada-other-bbbbbbbb", notebook.address),
        make_project(bob, "bob-other-bbbbbbbb", notebook.address),
    ]
    for other in [*(each.name for each in others), NOBODYS]:
        elsewhere = Browser(browser.port, other, browser.cookie)
        assert elsewhere.ask("/api/status").status_code == 401
        assert elsewhere.open_page().status_code == 302


def test_bobs_cookie_does_not_open_adas_notebook(ada, bob, project, notebook):
    his = make_project(bob, "bob-other-bbbbbbbb", notebook.address)
    browser = browser_of(bob, his)
    browser.enter(ticket_for(browser, bob, his))
    assert browser.ask("/").status_code == 200
    browser.project = project.name
    assert browser.ask("/").status_code == 401


@pytest.mark.parametrize("cookie", ["forged", "x" * 43, "' OR 1=1 --", "%00"])
def test_a_forged_cookie_opens_nothing(project, port, cookie):
    assert Browser(port, project.name, cookie).ask("/").status_code == 401


def test_the_portals_own_cookie_opens_nothing(browser, settings):
    portals = f"{settings.SESSION_COOKIE_NAME}={browser.portal.session.session_key}"
    assert browser.ask("/", Cookie=portals).status_code == 401


@pytest.mark.parametrize("name", ["ada-flowers-aaaaaaaa", NOBODYS])
def test_tokens_of_other_people_get_404(bob, vera, sue, stan, root, project, port, name):
    for person in (bob, vera, sue, stan, root):
        stranger = Browser(port, name)
        answer = stranger.ask("/api/status", Authorization=bearer(person), Origin=None)
        assert answer.status_code == 404
        assert answer.json()["code"] == "gateway.not-found"


def test_the_owners_token_opens_the_notebooks_api(ada, project, port):
    program = Browser(port, project.name)
    answer = program.ask("/api/kernels", "POST", Authorization=bearer(ada), Origin=None)
    assert answer.status_code == 200
    sent = dict(answer.json()["headers"])
    assert sent["authorization"] == f"token {project.current.server_token}"
    with program.socket(headers={"Authorization": bearer(ada), "Origin": None}) as socket:
        socket.send("hello")
        assert socket.recv(20) == "hello"


def test_an_invalid_token_is_refused_despite_a_valid_cookie(browser):
    answer = browser.ask("/", Authorization="Bearer bdy_wrong")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_an_expired_token_opens_nothing(ada, project):
    token, secret = Token.objects.issue(ada, "old")
    assert authorize.authorize(project.name, bearer=secret).decision is Decision.ALLOWED
    Token.objects.filter(pk=token.pk).update(expires=timezone.now() - timedelta(seconds=1))
    assert authorize.authorize(project.name, bearer=secret).decision is Decision.SIGN_IN


def test_access_ends_with_the_account_the_project_or_the_sign_in(ada, bob, project, browser):
    def decision() -> Decision:
        return authorize.authorize(project.name, browser.cookie).decision

    mine = Project.objects.filter(pk=project.pk)
    signed_in = PortalSession.objects.filter(pk=browser.portal.session.session_key)
    later = timezone.now() + timedelta(days=1)
    for rows, broken, whole in (
        (User.objects.filter(pk=ada.pk), {"is_active": False}, {"is_active": True}),
        (User.objects.filter(pk=ada.pk), {"password": "new"}, {"password": ada.password}),
        (mine, {"removed": timezone.now()}, {"removed": None}),
        (mine, {"owner": bob}, {"owner": ada}),
        (signed_in, {"expire_date": timezone.now()}, {"expire_date": later}),
    ):
        rows.update(**broken)
        assert decision() is Decision.SIGN_IN, broken
        rows.update(**whole)
        assert decision() is Decision.ALLOWED
    browser.portal.force_login(bob)
    assert decision() is Decision.SIGN_IN


def test_many_credentials_are_authorized_in_two_queries(
    ada, project, browser, notebook: Notebook, django_assert_num_queries
):
    credentials = [authorize.Credential(project.name, browser.cookie)]
    for number in range(5):
        other = make_project(ada, f"ada-other-{number}", notebook.address)
        browser.project = other.name
        browser.enter(ticket_for(browser, ada, other))
        credentials.append(authorize.Credential(other.name, browser.cookie))
    with django_assert_num_queries(2):
        authorizations = authorize.decide(credentials)
    assert {authorization.decision for authorization in authorizations.values()} == {
        Decision.ALLOWED
    }


def test_a_decision_is_reused_for_the_next_requests(browser, project):
    assert browser.ask("/").status_code == 200
    Project.objects.filter(pk=project.pk).update(removed=timezone.now())
    assert browser.ask("/").status_code == 200  # believed for two seconds
