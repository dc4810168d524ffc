"""Pages of listed origins use notebooks with API tokens; with cookies, or from elsewhere, they
cannot.
"""

from __future__ import annotations

import pytest
from websockets.exceptions import InvalidStatus

from keys.models import Token
from sessions.gateway.headers import from_notebook

pytestmark = pytest.mark.one_database  # about what is sent, not what is stored

BOOK = "https://book.example.org"
OTHERS = [
    "https://evil.example",
    "http://book.example.org",
    f"{BOOK}:8443",
    f"{BOOK}/",
    "null",
    "*",
]
PREFLIGHT = {
    "Cookie": None,
    "Sec_Fetch_Mode": "cors",
    "Sec_Fetch_Site": "cross-site",
    "Access_Control_Request_Method": "POST",
    "Access_Control_Request_Headers": "authorization,content-type,x-xsrftoken",
}
FETCH = {"Cookie": None, "Sec_Fetch_Mode": "cors", "Sec_Fetch_Site": "cross-site"}


@pytest.fixture(autouse=True)
def listed(settings) -> None:
    settings.PORTAL_CORS_ORIGINS = [BOOK, "http://localhost:4000"]


@pytest.fixture
def token(ada) -> str:
    return f"Bearer {Token.objects.issue(ada, 'book')[1]}"


def test_a_preflight_of_a_listed_origin_is_allowed(browser, notebook):
    notebook.forget()
    for origin in (BOOK, "http://localhost:4000"):
        answer = browser.ask("/api/kernels", "OPTIONS", Origin=origin, **PREFLIGHT)
        assert answer.status_code == 204
        assert answer.headers["access-control-allow-origin"] == origin
        assert "POST" in answer.headers["access-control-allow-methods"]
        allowed = answer.headers["access-control-allow-headers"]
        assert allowed == "authorization,content-type,x-xsrftoken"
        assert "access-control-allow-credentials" not in answer.headers
        assert "Origin" in answer.headers["vary"]
    assert not notebook.seen


@pytest.mark.parametrize("origin", OTHERS)
def test_a_preflight_of_another_origin_is_refused(browser, notebook, origin):
    notebook.forget()
    answer = browser.ask("/api/kernels", "OPTIONS", Origin=origin, **PREFLIGHT)
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers
    assert not notebook.seen


def test_a_listed_origin_may_do_everything_with_a_token_and_read_the_answers(browser, token):
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        answer = browser.ask("/api/x", method, Origin=BOOK, Authorization=token, **FETCH)
        assert answer.status_code == 200
        assert answer.headers.get_list("access-control-allow-origin") == [BOOK]
        assert "access-control-allow-credentials" not in answer.headers


def test_a_listed_origin_can_do_nothing_with_a_cookie(browser, notebook):
    notebook.forget()
    fields = FETCH | {"Cookie": browser.headers({})["Cookie"]}
    for method in ("GET", "POST"):
        assert browser.ask("/api/x", method, Origin=BOOK, **fields).status_code == 403
        answer = browser.ask("/api/x", method, Origin=BOOK, Authorization="Bearer app", **fields)
        assert answer.status_code == 403
    assert not notebook.seen


def test_a_listed_origin_can_read_why_its_token_does_not_work(browser):
    answer = browser.ask("/api/x", Origin=BOOK, Authorization="Bearer bdy_old", **FETCH)
    assert (answer.status_code, answer.json()["code"]) == (401, "gateway.sign-in")
    assert answer.headers["access-control-allow-origin"] == BOOK


def test_another_origin_can_do_nothing_with_a_token(browser, token):
    for origin in OTHERS:
        answer = browser.ask("/api/x", Origin=origin, Authorization=token, **FETCH)
        assert answer.status_code == 403
        assert "access-control-allow-origin" not in answer.headers


def test_a_listed_origin_opens_sockets_with_a_token_only(browser, token):
    headers = {"Origin": BOOK, "Cookie": None, "Authorization": token}
    with browser.socket(headers=headers) as socket:
        socket.send("hello")
        assert socket.recv() == "hello"
    with pytest.raises(InvalidStatus) as refusal:
        browser.socket(headers={"Origin": BOOK})
    assert refusal.value.response.status_code == 403


def test_the_notebooks_own_answer_to_other_origins_is_replaced(browser, token):
    answer = browser.ask("/open-to-all", Origin=BOOK, Authorization=token, **FETCH)
    assert answer.headers.get_list("access-control-allow-origin") == [BOOK]
    own = [(b"Access-Control-Allow-Origin", b"*")]
    assert (b"access-control-allow-origin", b"*") in from_notebook(own)
