"""Fixtures: a provider that lies, and an anonymous browser on its way to it and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from tests.oidc.hostile import Hostile

Arrive = Callable[..., HttpResponse]


@pytest.fixture
def hostile(db, settings) -> Iterator[Hostile]:
    """The portal's only provider, called “evil”."""
    with Hostile() as provider:
        settings.OIDC_PROVIDERS = {"evil": provider.entry("evil")}
        yield provider


@pytest.fixture
def arrive(hostile: Hostile) -> Arrive:
    """``arrive(client, **asked)`` goes to the provider and back, and returns the portal's
    answer.
    """

    def there_and_back(client: Client, **asked: Any) -> HttpResponse:
        code, state = hostile.agree(leave(client, **asked))
        return come_back(client, code=code, state=state)

    return there_and_back


def leave(client: Client, **asked: Any) -> str:
    """Return the address to which the portal sends this browser for signing in."""
    answer = client.get("/oidc/evil/sign-in/", asked)
    assert answer.status_code == 302, answer.content
    address: str = answer.headers["Location"]
    return address


def come_back(client: Client, **brought: str) -> HttpResponse:
    answer = client.get("/oidc/evil/callback/", brought)
    assert isinstance(answer, HttpResponse)
    return answer
