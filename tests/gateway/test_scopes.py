"""A notebook opens to tokens with the notebook scope, as long as they are valid."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.utils import timezone
from websockets.exceptions import ConnectionClosed, InvalidStatus

from keys.models import Token
from portal.models import User

SOON = 5.0

pytestmark = pytest.mark.usefixtures("backend", "quick_rechecks")


def bearer(user: User, *scopes: str) -> dict[str, str | None]:
    secret = Token.objects.issue(user, "test", scopes)[1]
    return {"Authorization": f"Bearer {secret}", "Cookie": None, "Origin": None}


def test_a_token_with_the_notebook_scope_opens_a_notebook(ada, browser):
    for scopes in (["notebook"], ["read", "notebook"], ["launch", "notebook"]):
        assert browser.ask("/", **bearer(ada, *scopes)).status_code == 200


@pytest.mark.parametrize("scopes", [["read"], ["launch"]])
def test_a_token_without_the_scope_is_403_naming_the_scope(ada, browser, scopes):
    answer = browser.ask("/", **bearer(ada, *scopes))
    assert (answer.status_code, answer.json()["code"]) == (403, "token.scope")
    assert "“notebook”" in answer.json()["detail"]
    challenge = 'Bearer error="insufficient_scope", scope="notebook"'
    assert answer.headers["WWW-Authenticate"] == challenge
    with pytest.raises(InvalidStatus) as refusal, browser.socket(headers=bearer(ada, *scopes)):
        pass
    assert refusal.value.response.status_code == 403


def test_a_missing_scope_does_not_reveal_which_notebooks_exist(bob, browser):
    theirs = browser.ask("/", **bearer(bob, "read"))
    browser.project = "no-such-project"
    nobodys = browser.ask("/", **bearer(bob, "read"))
    assert theirs.status_code == nobodys.status_code == 403
    assert theirs.content == nobodys.content


def revoke(ada: User) -> None:
    Token.objects.all().delete()


def expire(ada: User) -> None:
    Token.objects.update(expires=timezone.now() - timedelta(seconds=1))


def disable(ada: User) -> None:
    User.objects.filter(pk=ada.pk).update(is_active=False)


def vouch_no_more(ada: User) -> None:
    User.objects.filter(pk=ada.pk).update(vouched_until=timezone.now() - timedelta(seconds=1))


@pytest.mark.parametrize("end", [revoke, expire, disable, vouch_no_more])
def test_an_open_socket_closes_when_its_token_becomes_invalid(
    ada, browser, end: Callable[[User], None]
):
    headers = bearer(ada, "notebook")
    with browser.socket(headers=headers) as socket:
        socket.send("still here")
        assert socket.recv(5) == "still here"
        end(ada)
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(SOON)
    assert closed.value.rcvd.code == 4403
    assert browser.ask("/", **headers).status_code == 401
