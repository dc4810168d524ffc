"""A cookie that another host has planted signs nobody in as somebody else, and locks nobody out."""

from __future__ import annotations

import httpx
import pytest
from django.test import Client

from portal.server.heads import deletion_headers, drop_conflicting
from sessions.gateway.hosts import cookie_name
from tests.gateway.conftest import browser_of, ticket_for

pytestmark = pytest.mark.one_database  # about what is sent, not what is stored


@pytest.fixture
def portal(port, settings):
    """Return a function that asks the portal's own host with these cookies."""

    def ask(*cookies: str, path: str = "/account/") -> httpx.Response:
        name = settings.SESSION_COOKIE_NAME
        headers = {"Host": f"localhost:{port}", "Cookie": "; ".join(f"{name}={c}" for c in cookies)}
        return httpx.get(f"http://127.0.0.1:{port}{path}", headers=headers, trust_env=False)

    return ask


def key_of(user) -> str:
    client = Client()
    client.force_login(user)
    return str(client.session.session_key)


def test_conflicting_session_cookies_count_as_none_and_are_deleted(portal, ada, bob, settings):
    hers, planted = key_of(ada), key_of(bob)
    assert "ada" in portal(hers).text
    for cookies in ((planted, hers), (hers, planted)):
        answer = portal(*cookies)
        assert answer.status_code in {302, 303}  # to sign in, as if there was none
        deleted = answer.headers.get_list("set-cookie")
        name = settings.SESSION_COOKIE_NAME
        assert f"{name}=; Max-Age=0; Domain=localhost; Path=/" in deleted
        assert f"{name}=; Max-Age=0; Domain=localhost; Path=/account" in deleted
    assert "ada" in portal(hers).text
    assert "ada" in portal(hers, hers).text


def test_a_cookie_planted_for_a_notebook_is_deleted_and_replaced(ada, project, port):
    browser = browser_of(ada, project)
    browser.enter(ticket_for(browser, ada, project))
    for planted in ("x", "y"):
        browser.cookie, hers = f"{planted}; {cookie_name()}={browser.cookie}", browser.cookie
        assert browser.ask("/x").status_code == 401
        page = browser.open_page("/lab")
        assert page.status_code == 302
        gone = f"{cookie_name()}=; Max-Age=0; Domain=ada-flowers-aaaaaaaa.localhost; Path=/lab"
        assert gone in page.headers.get_list("set-cookie")
        browser.cookie = hers
        assert browser.ask("/x").status_code == 200


def test_deletion_covers_every_possible_domain_and_path():
    headers = [value.decode() for _name, value in deletion_headers("c", "a.b.example.org", "/x/y/")]
    assert {each.partition("Domain=")[2].partition(";")[0] for each in headers} == {
        "a.b.example.org", "b.example.org", "example.org",
    }  # fmt: skip
    paths = {each.partition("Path=")[2] for each in headers}
    assert paths == {"/", "/x", "/x/", "/x/y", "/x/y/"}
    assert all(
        b"\r" not in v and b"\n" not in v for _n, v in deletion_headers("c", "a", "/\r\nx;/ü")
    )
    assert len(deletion_headers("c", "a.b", "/x" * 1000)) < 40


@pytest.mark.parametrize(
    ("cookies", "left"),
    [
        (["S=1"], ["S=1"]),
        (["S=1; S=1"], ["S=1; S=1"]),
        (["a=b; S=1; S=2; c"], ["a=b; c="]),
        (["S=1", "a=b", "S=2"], ["a=b"]),
        (["S=1; S="], []),
        (["xS=1; S=2"], ["xS=1; S=2"]),
    ],
)
def test_conflicting_cookies_are_dropped(settings, cookies, left):
    settings.SESSION_COOKIE_NAME = "S"
    headers = [(b"host", b"x"), *((b"cookie", each.encode()) for each in cookies)]
    kept, _doubtful = drop_conflicting(headers)
    assert [value.decode() for name, value in kept if name == b"cookie"] == left
