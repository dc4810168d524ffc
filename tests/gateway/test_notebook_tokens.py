"""Tokens in the query, as Jupyter's clients send them, and tokens that open one notebook only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from keys.models import PREFIX, Token
from portal.models import User
from sessions.gateway import tickets
from sessions.gateway.request import take_token
from sessions.lifecycle import delete, stop
from sessions.models import Access, Project, Session
from sessions.states import SessionState
from tests.backends.waiting import until
from tests.gateway.conftest import Browser, make_project

SOON = 5.0
PROGRAM = {"Cookie": None, "Origin": None}

pytestmark = pytest.mark.usefixtures("backend", "quick_rechecks")


@pytest.fixture
def api_token(ada: User) -> Token:
    return Token.objects.issue(ada, "test", ["launch", "notebook"])[0]


@pytest.fixture
def secret(project: Project, api_token: Token) -> str:
    return tickets.issue_notebook_token(project, api_token)


@pytest.mark.parametrize(
    ("query", "onward", "taken"),
    [
        ("", "", ""),
        (f"token={PREFIX}x", "", f"{PREFIX}x"),
        (f"a=%2F&token={PREFIX}x&&b=+&c", "a=%2F&&b=+&c", f"{PREFIX}x"),
        (f"%74oken=%62dy_x&token={PREFIX}y&a=1", "a=1", f"{PREFIX}x"),
        ("token=own&a=1", "token=own&a=1", ""),
        (
            f"mytoken={PREFIX}x&x={PREFIX}x&{PREFIX}x",
            f"mytoken={PREFIX}x&x={PREFIX}x&{PREFIX}x",
            "",
        ),
        ("token=%FF&token", "token=%FF&token", ""),
    ],
)
def test_only_our_tokens_are_taken_out_of_a_query(query: str, onward: str, taken: str):
    assert take_token(query.encode()) == (onward.encode(), taken)


def test_a_token_in_the_query_works_and_does_not_reach_the_notebook(browser, ada, secret):
    for token in (secret, Token.objects.issue(ada, "other")[1]):
        answer = browser.ask(f"/api/kernels?a=%2F&token={token}&b", "POST", **PROGRAM)
        assert answer.status_code == 200
        assert answer.json()["target"] == "/api/kernels?a=%2F&b"
        assert token not in answer.text
        with browser.socket(f"/socket?token={token}", headers=PROGRAM) as socket:
            socket.send("hello")
            assert socket.recv(SOON) == "hello"


def test_an_applications_own_token_passes(browser):
    assert browser.ask("/app?token=own").json()["target"] == "/app?token=own"


def test_a_notebooks_token_opens_it_in_every_place_of_a_token(browser, secret):
    for header in (f"Bearer {secret}", f"token {secret}"):
        assert browser.ask("/api", Authorization=header, **PROGRAM).status_code == 200
    assert browser.ask(f"/api?token={secret}x", **PROGRAM).status_code == 401


def test_a_notebooks_token_opens_nothing_else(browser, ada, project, notebook, secret):
    other = make_project(ada, "ada-other-aaaaaaaa", notebook.address)
    elsewhere = Browser(browser.port, other.name)
    own: dict[str, Any] = {"Authorization": f"Bearer {secret}", **PROGRAM}
    assert elsewhere.ask("/api", **own).status_code == 401
    for path in ("/api/v1/me/", f"/api/v1/projects/{project.name}/"):
        answer = browser.ask(path, **own | {"Host": f"localhost:{browser.port}"})
        assert (answer.status_code, answer.json()["code"]) == (401, "token.invalid")
    browser.cookie = secret  # a cookie opens with a ticket only
    assert browser.ask("/api").status_code == 401


@pytest.mark.parametrize(
    "headers", [{}, {"Sec_Fetch_Site": "cross-site"}], ids=["typed", "another site's link"]
)
def test_a_tab_is_sent_on_without_the_token_and_not_let_in_by_it(browser, secret, headers):
    """Somebody else's link must not open their notebook in a browser."""
    browser.cookie = ""
    answer = browser.open_page(f"/lab/tree/a%20b?reset&token={secret}", **headers)
    assert (answer.status_code, answer.headers["location"]) == (302, "/lab/tree/a%20b?reset")
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "/open/" in browser.open_page(answer.headers["location"]).headers["location"]
    outside = browser.open_page(f"//evil.example/?token={secret}")
    assert outside.headers["location"] == "/"


def test_pages_of_other_origins_need_to_be_listed(browser, secret, settings):
    book = "https://book.example.org"
    fetch = {"Cookie": None, "Origin": book, "Sec_Fetch_Mode": "cors"}
    assert browser.ask(f"/api?token={secret}", **fetch).status_code == 403
    settings.PORTAL_CORS_ORIGINS = [book]
    answer = browser.ask(f"/api?token={secret}", **fetch)
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == book
    with browser.socket(f"/socket?token={secret}", headers={"Cookie": None, "Origin": book}):
        pass
    with pytest.raises(InvalidStatus):
        browser.socket(f"/socket?token={secret}", headers={"Origin": "https://evil.example"})


def revoke(ada: User, project: Project) -> None:
    Token.objects.filter(user=ada).delete()


def disable(ada: User, project: Project) -> None:
    User.objects.filter(pk=ada.pk).update(is_active=False)


def restart(ada: User, project: Project) -> None:
    """Run the project again, as another session."""
    stop(project, ada)
    Session.objects.advance(project.current_id or 0, SessionState.STOPPED, by="test")
    again = Session.objects.create(
        project=project, cpu_request=1, cpu_limit=1, memory_request_gb=1, memory_limit_gb=1
    )
    for state in (SessionState.SPAWNING, SessionState.READY):
        Session.objects.advance(again.pk, state, by="test", address=project.current.address)
    Project.objects.filter(pk=project.pk).update(current=again)


@pytest.mark.parametrize(
    "end", [revoke, disable, restart, lambda ada, project: delete(project, ada)]
)
def test_it_ends_with_the_run_and_with_what_asked_for_it(
    browser, ada, project, secret, end: Callable[[User, Project], None]
):
    with browser.socket(f"/socket?token={secret}", headers=PROGRAM) as socket:
        end(ada, project)
        with pytest.raises(ConnectionClosed):
            socket.recv(SOON)
    assert browser.ask(f"/api?token={secret}", **PROGRAM).status_code == 401


def test_one_that_a_browser_asked_for_ends_with_its_sign_in(browser, project):
    secret = tickets.issue_notebook_token(project, None, browser.portal.session.session_key)
    assert browser.ask(f"/api?token={secret}", **PROGRAM).status_code == 200
    tickets.sweep()
    browser.portal.logout()
    until(lambda: browser.ask(f"/api?token={secret}", **PROGRAM).status_code == 401)


def test_those_of_ended_runs_are_swept(project, browser, secret, ada):
    tickets.sweep()
    assert Access.objects.filter(session=project.current).exists()
    stop(project, ada)
    Session.objects.advance(project.current_id or 0, SessionState.STOPPED, by="test")
    tickets.sweep()
    assert not Access.objects.filter(session=project.current).exists()
