"""How a browser gets in: with a ticket that works once, for seconds, on one host."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import pytest
from django.contrib.sessions.models import Session as PortalSession
from django.core import signing
from django.db import connection
from django.utils import timezone

from keys.models import digest
from sessions.gateway import tickets
from sessions.gateway.hosts import cookie_name, entrant_cookie_name
from sessions.models import Access, Project
from tests.gateway.conftest import Browser, browser_of, make_project, ticket_for


def test_a_ticket_opens_the_notebook_and_disappears_from_the_url(ada, project):
    browser = browser_of(ada, project)
    answer = browser.enter(ticket_for(browser, ada, project))
    assert answer.status_code == 302
    assert answer.headers["location"] == "/lab"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    assert browser.open_page("/lab").status_code == 200


def test_the_cookie_is_host_only_and_http_only(ada, project):
    browser = browser_of(ada, project)
    cookie = browser.enter(ticket_for(browser, ada, project)).headers["set-cookie"]
    assert cookie.startswith(f"{cookie_name()}=")
    assert cookie.partition("; ")[2] == "Path=/; HttpOnly; SameSite=Lax"


def test_over_https_the_cookie_has_the_host_prefix(ada, project, settings):
    settings.GATEWAY_SCHEME, settings.SESSION_COOKIE_NAME = "https", "__Host-bindery"
    browser = browser_of(ada, project)
    address = ticket_for(browser, ada, project)
    cookie = browser.enter(address).headers["set-cookie"]
    assert address.startswith("https://")
    assert cookie.startswith("__Host-bindery-notebook=")
    assert cookie.endswith("; Path=/; HttpOnly; SameSite=Lax; Secure")


def test_a_ticket_works_once(ada, project):
    browser = browser_of(ada, project)
    address = ticket_for(browser, ada, project)
    assert browser.enter(address).status_code == 302
    again = Browser(browser.port, project.name).enter(address)
    assert again.status_code == 410
    assert "set-cookie" not in again.headers
    assert f"/projects/{project.name}/" in again.text


def test_only_one_of_several_concurrent_redemptions_succeeds(ada, project):
    browser = browser_of(ada, project)
    ticket = parse_qs(urlsplit(ticket_for(browser, ada, project)).query)["ticket"][0]

    def redeem(_number: int) -> object:
        try:
            return tickets.redeem(ticket, project.name, digest(browser.entrant))
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        entries = list(pool.map(redeem, range(8)))
    assert sum(entry is not None for entry in entries) == 1


def test_a_ticket_expires_after_half_a_minute(ada, project, monkeypatch):
    browser = browser_of(ada, project)
    address = ticket_for(browser, ada, project)
    monkeypatch.setattr(signing, "time", SimpleNamespace(time=lambda: time.time() + 31))
    assert browser.enter(address).status_code == 410
    assert not browser.cookie


def test_a_ticket_does_not_work_on_another_host(ada, bob, project, notebook):
    browser = browser_of(ada, project)
    address = ticket_for(browser, ada, project)
    for owner, name in ((ada, "ada-other-bbbbbbbb"), (bob, "bob-other-bbbbbbbb")):
        other = make_project(owner, name, notebook.address)
        moved = address.replace(project.name, other.name)
        assert browser.enter(moved).status_code == 410
    assert browser.enter(address).status_code == 302


def test_a_forged_or_altered_ticket_is_refused(ada, project):
    browser = browser_of(ada, project)
    address = ticket_for(browser, ada, project)
    for wrong in ("", "x", signing.dumps(["secret", "/lab"]), "%00"):
        start = address.partition("ticket=")[0]
        assert browser.enter(f"{start}ticket={wrong}").status_code == 410
    assert browser.enter(address[:-1]).status_code == 410


def test_a_head_request_does_not_use_up_the_ticket(ada, project):
    browser = browser_of(ada, project)
    parts = urlsplit(ticket_for(browser, ada, project))
    assert browser.ask(f"{parts.path}?{parts.query}", "HEAD").status_code == 405
    assert browser.enter(parts.geturl()).status_code == 302


def test_only_the_owner_gets_a_ticket(ada, bob, vera, sue, stan, root, project):
    for person in (bob, vera, sue, stan, root):
        with pytest.raises(tickets.NotOwner) as refusal:
            tickets.issue_ticket(person, project, "key", "entrant")
        assert refusal.value.code == "gateway.not-yours"
    assert not Access.objects.exists()


def test_opening_a_notebook_again_keeps_the_cookie(ada, project, browser):
    first = browser.cookie
    assert browser.enter(ticket_for(browser, ada, project)).status_code == 302
    assert browser.cookie == first
    assert Access.objects.count() == 1


def test_another_browsers_cookie_is_replaced(ada, project, browser):
    other = browser_of(ada, project)
    other.cookie = browser.cookie
    other.enter(ticket_for(other, ada, project))
    assert other.cookie != browser.cookie


@pytest.mark.parametrize(
    ("wanted", "file", "goes"),
    [
        ("", "", "/lab"),
        ("", "index.ipynb", "/lab/tree/index.ipynb"),
        ("", "/a b/ü?#.ipynb", "/lab/tree/a%20b/%C3%BC%3F%23.ipynb"),
        ("/lab/tree/x.ipynb?reset#cell", "index.ipynb", "/lab/tree/x.ipynb?reset#cell"),
        ("/lab/%2F", "", "/lab/%2F"),
        ("//evil.example/", "", "/lab"),
        ("/\\evil.example/", "", "/lab"),
        ("https://evil.example/", "", "/lab"),
        ("/lab\r\nSet-Cookie: a=b", "", "/lab"),
        ("/\t/evil.example", "", "/lab"),
        ("/_bindery/enter?ticket=x", "", "/lab"),
        ("/" + "x" * 5000, "", "/lab"),
    ],
)
def test_entering_redirects_only_to_a_page_of_the_same_host(ada, project, wanted, file, goes):
    Project.objects.filter(pk=project.pk).update(path=file)
    project.refresh_from_db()
    browser = browser_of(ada, project)
    answer = browser.enter(ticket_for(browser, ada, project, wanted))
    assert answer.headers["location"] == goes


def test_expired_tickets_and_dead_cookies_are_swept(ada, project, browser):
    unused = browser_of(ada, project)
    ticket_for(unused, ada, project)
    tickets.sweep()
    assert Access.objects.count() == 2
    Access.objects.filter(cookie=None).update(created=timezone.now() - timedelta(minutes=2))
    tickets.sweep()
    assert Access.objects.count() == 1
    key = browser.portal.session.session_key
    PortalSession.objects.filter(pk=key).update(expire_date=timezone.now())
    tickets.sweep()
    assert not Access.objects.exists()


def test_the_right_can_be_taken_from_a_browser_and_a_person(ada, project):
    browser = browser_of(ada, project)
    for revoke in (
        partial(tickets.revoke_browser, str(browser.portal.session.session_key)),
        partial(tickets.revoke_user, ada),
    ):
        browser.enter(ticket_for(browser, ada, project))
        revoke()
        assert browser.ask("/").status_code == 401


def test_a_deep_link_goes_through_the_portal_and_back(ada, bob, project):
    browser = browser_of(ada, project)
    to_portal = browser.open_page("/lab/tree/a%20b.ipynb?x=1&y=2").headers["location"]
    parts = urlsplit(to_portal)
    ticket = browser.portal.get(f"{parts.path}?{parts.query}", HTTP_HOST=parts.netloc)
    assert ticket.status_code == 302
    answer = browser.enter(ticket["location"])
    assert answer.headers["location"] == "/lab/tree/a%20b.ipynb?x=1&y=2"
    assert browser.open_page("/lab/tree/a%20b.ipynb?x=1&y=2").status_code == 200
    browser.portal.force_login(bob)
    refused = browser.portal.get(f"{parts.path}?{parts.query}", HTTP_HOST=parts.netloc)
    assert refused.status_code == 404


# --- A ticket belongs to the browser that asked for it ---
def begin(browser: Browser, address: str) -> str:
    """Open the address to which the portal sends a browser for a notebook; return where it
    redirects.
    """
    parts = urlsplit(address)
    answer = browser.enter(parts.geturl())
    assert answer.status_code == 302
    return answer.headers["location"]


def to_ticket(browser: Browser, address: str) -> str:
    parts = urlsplit(address)
    answer = browser.portal.get(f"{parts.path}?{parts.query}", HTTP_HOST=parts.netloc)
    return str(answer["location"])


def test_a_ticket_does_not_work_in_another_persons_browser(ada, bob, port, notebook):
    """Else bob could have ada work, and leave her files, in a notebook of his."""
    trap = make_project(bob, "bob-trap-cccccccc", notebook.address)
    his = browser_of(bob, trap)
    address = ticket_for(his, bob, trap)
    for hers in (Browser(port, trap.name), browser_of(ada, trap)):
        answer = hers.enter(address)
        assert answer.status_code == 410
        assert not hers.cookie
        assert hers.ask("/x").status_code == 401
    assert his.enter(address).status_code == 302


def test_opening_from_the_portal_first_visits_the_notebooks_host(ada, project, port):
    browser = Browser(port, project.name)
    browser.portal.force_login(ada)
    portal = f"http://localhost:{port}/projects/{project.name}/open/"
    begins = to_ticket(browser, portal + "?path=/lab/tree/a%20b.ipynb")
    assert begins.startswith(f"{browser.origin}/_bindery/enter?path=")
    back = begin(browser, begins)
    assert back.startswith(portal)
    assert browser.entrant
    assert begin(browser, to_ticket(browser, back)) == "/lab/tree/a%20b.ipynb"
    assert browser.ask("/x").status_code == 200
    assert "entrant" not in str(browser.ask("/x").json()["headers"])


def test_the_entrant_cookie_is_host_only_and_stays_the_same(ada, project, port):
    browser = Browser(port, project.name)
    first = browser.open_page("/lab")
    (cookie,) = first.headers.get_list("set-cookie")
    assert cookie.partition("; ")[2] == "Path=/; HttpOnly; SameSite=Lax"
    browser.entrant = str(first.cookies.get(entrant_cookie_name()))
    second = browser.open_page("/lab")
    assert "set-cookie" not in second.headers
    assert second.headers["location"] == first.headers["location"]
    assert browser.entrant not in first.headers["location"]


@pytest.mark.parametrize("entrant", ["", "x", "0" * 63, "g" * 64])
def test_no_ticket_is_issued_for_an_invalid_entrant(ada, project, entrant):
    browser = browser_of(ada, project)
    address = f"/projects/{project.name}/open/"
    answer = browser.portal.get(
        address, {"entrant": entrant}, HTTP_HOST=f"localhost:{browser.port}"
    )
    assert "ticket" not in answer["location"]
    assert not Access.objects.exists()


def test_a_ticket_of_an_earlier_version_is_refused(ada, project):
    browser = browser_of(ada, project)
    start = ticket_for(browser, ada, project).partition("ticket=")[0]
    old = signing.dumps(["secret", "/lab"], salt=tickets.SALT)
    assert browser.enter(f"{start}ticket={old}").status_code == 410
