"""When access is revoked, open connections end within seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from keys.models import Token
from portal import settings as installed
from portal.models import User
from sessions.gateway import tickets
from sessions.lifecycle import delete, stop
from sessions.models import Project
from tests.backends.waiting import until
from tests.gateway.conftest import Browser, browser_of, ticket_for

SOON = 5.0

pytestmark = pytest.mark.usefixtures("backend", "quick_rechecks")


def sign_out(browser: Browser, ada: User, project: Project) -> None:
    browser.portal.logout()


def disable_the_account(browser: Browser, ada: User, project: Project) -> None:
    User.objects.filter(pk=ada.pk).update(is_active=False)


def change_the_password(browser: Browser, ada: User, project: Project) -> None:
    ada.set_password("another")
    ada.save()


def stop_it(browser: Browser, ada: User, project: Project) -> None:
    stop(project, ada)


def delete_it(browser: Browser, ada: User, project: Project) -> None:
    delete(project, ada)


def revoke_the_person(browser: Browser, ada: User, project: Project) -> None:
    tickets.revoke_user(ada)


@pytest.mark.parametrize(
    "end",
    [
        sign_out,
        disable_the_account,
        change_the_password,
        stop_it,
        delete_it,
        revoke_the_person,
    ],
)
def test_an_open_socket_is_closed(browser, ada, project, end: Callable[..., None]):
    with browser.socket() as socket:
        socket.send("still here")
        assert socket.recv(5) == "still here"
        end(browser, ada, project)
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(SOON)
    assert closed.value.rcvd.code == 4403
    assert browser.ask("/").status_code in {401, 503}


def test_an_open_stream_is_aborted(browser, ada, project):
    with browser.stream("/stream") as answer:
        sign_out(browser, ada, project)
        began = time.monotonic()
        with pytest.raises(httpx.RemoteProtocolError):
            list(answer.iter_raw())
        assert time.monotonic() - began < SOON


def test_a_hanging_request_is_answered_with_401(browser, ada, project, notebook):
    notebook.seen.clear()
    notebook.broken_off.clear()
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(browser.ask, "/never")
        until(lambda: "/never" in notebook.seen)
        sign_out(browser, ada, project)
        assert hanging.result(SOON).status_code == 401
    until(lambda: notebook.broken_off == ["/never"])


def test_deleting_a_token_closes_its_sockets(ada, browser):
    secret = Token.objects.issue(ada, "test")[1]
    headers = {"Authorization": f"Bearer {secret}", "Cookie": None, "Origin": None}
    with browser.socket(headers=headers) as socket:
        Token.objects.all().delete()
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(SOON)
    assert closed.value.rcvd.code == 4403


def test_another_browser_of_the_same_person_stays_connected(browser, ada, project):
    other = browser_of(ada, project)
    other.enter(ticket_for(other, ada, project))
    with other.socket() as stays, browser.socket() as goes:
        sign_out(browser, ada, project)
        with pytest.raises(ConnectionClosed):
            goes.recv(SOON)
        stays.send("still here")
        assert stays.recv(5) == "still here"


def test_access_is_rechecked_every_few_seconds_by_default():
    assert 0 < installed.PORTAL_GATEWAY_RECHECK <= 2
    assert 0 < installed.PORTAL_LIVE_RECHECK <= 5
