"""Replacing ``PORTAL_SECRET_KEY``, with the old one among the fallbacks, goes unnoticed."""

from __future__ import annotations

import socket as sockets

import pytest
from django.conf import settings as current
from django.utils import timezone
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from sessions.gateway.authorize import Decision, authorize
from tests.backends.waiting import until
from tests.gateway.conftest import Browser, browser_of, ticket_for

pytestmark = pytest.mark.usefixtures("backend")


@pytest.fixture
def replaced(settings):
    """Return a function that replaces the key, as a restart with another one would."""

    def replace(*, kept: bool) -> None:
        before, settings.SECRET_KEY = settings.SECRET_KEY, "another key that is long enough"
        settings.SECRET_KEY_FALLBACKS = [before] if kept else []

    return replace


def live(browser: Browser) -> ClientConnection:
    """Open the socket of the portal's own page, in the browser that is signed in there."""
    name = current.SESSION_COOKIE_NAME
    return connect(
        f"ws://localhost:{browser.port}/ws/projects/",
        sock=sockets.create_connection(("127.0.0.1", browser.port)),
        additional_headers={"Cookie": f"{name}={browser.portal.cookies[name].value}"},
        origin=Origin(f"http://localhost:{browser.port}"),
    )


def is_signed_in(browser: Browser) -> bool:
    return browser.portal.get("/account/").status_code == 200


def test_a_notebook_stays_open_when_the_key_is_replaced(browser, replaced) -> None:
    key = browser.portal.session.session_key
    with browser.socket() as socket:
        replaced(kept=True)
        assert browser.ask("/mine").status_code == 200
        assert is_signed_in(browser)
        assert authorize(browser.project, browser.cookie).decision is Decision.ALLOWED
        assert browser.ask("/mine").status_code == 200
        assert browser.portal.session.session_key == key
        socket.send("still there")
        assert socket.recv(20) == "still there"


def test_the_sign_in_is_renewed_under_the_new_key(browser, replaced, settings) -> None:
    replaced(kept=True)
    assert is_signed_in(browser)
    settings.SECRET_KEY_FALLBACKS = []
    assert is_signed_in(browser)
    assert authorize(browser.project, browser.cookie).decision is Decision.ALLOWED


def test_a_socket_does_not_sign_anybody_out(browser, replaced) -> None:
    replaced(kept=True)
    with live(browser) as socket:
        socket.ping()
    assert is_signed_in(browser)
    with live(browser) as socket:
        socket.ping()


def test_a_ticket_issued_before_the_replacement_works(ada, project, replaced) -> None:
    browser = browser_of(ada, project)
    ticket = ticket_for(browser, ada, project)
    replaced(kept=True)
    assert browser.enter(ticket).status_code == 302
    assert browser.ask("/mine").status_code == 200


def test_a_sign_in_after_signing_out_everywhere_survives_the_new_key(
    ada, project, replaced
) -> None:
    ada.signed_out = timezone.now()
    ada.save()
    browser = browser_of(ada, project)
    browser.enter(ticket_for(browser, ada, project))
    replaced(kept=True)
    assert authorize(browser.project, browser.cookie).decision is Decision.ALLOWED
    assert is_signed_in(browser)


def test_without_the_old_key_everybody_is_signed_out(browser, replaced) -> None:
    replaced(kept=False)
    assert not is_signed_in(browser)
    until(lambda: browser.ask("/mine").status_code == 401, 10)


def test_signing_out_everywhere_applies_under_every_key(browser, ada, replaced) -> None:
    replaced(kept=True)
    ada.signed_out = timezone.now()
    ada.save()
    assert not is_signed_in(browser)
    until(lambda: browser.ask("/mine").status_code == 401, 10)


def test_a_notebook_with_an_unreadable_token_is_503(browser, project, settings) -> None:
    settings.PORTAL_ENCRYPTION_KEYS = ["another key that is as long as a key has to be"]
    until(lambda: browser.ask("/mine").status_code == 503, 10)
    assert browser.ask("/mine").json()["code"] == "gateway.no-answer"
