"""Fixtures: a provider that lies and the certified one, and an anonymous browser on its way there
and back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from django.http import HttpResponse
from django.test import Client

from portal.accounts.oidc.provider import read_providers
from portal.lib.env import Environment
from tests.oidc.certified import Provider as Certified
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


@pytest.fixture
def certified(db, settings) -> Iterator[Certified]:
    """The certified provider, as the portal's only one; ``ada`` is its person “1”."""
    settings.PORTAL_URL = "http://testserver"
    with Certified(settings.PORTAL_URL, "campus") as provider:
        settings.OIDC_PROVIDERS = read_providers(Environment(configured(provider)))
        provider.put("1", preferred_username="ada")
        yield provider


def configured(provider: Certified, **more: str) -> dict[str, str]:
    """Return the portal's environment for this provider."""
    return {"OIDC_PROVIDERS": "campus", **provider.environment("OIDC_CAMPUS_"), **more}


def walk(client: Client, subject: str = "1") -> Any:
    """Sign in at the certified provider as this person; return the portal's answer.

    The answer's ``callback`` is the address that the browser came back to.
    """
    answer = client.get("/oidc/campus/sign-in/")
    assert answer.status_code == 302, answer.content
    address = answer.headers["Location"]
    with httpx.Client() as browser:
        while not address.startswith("http://testserver"):
            page = browser.get(address)
            if page.status_code == 200:
                page = browser.post(page.url, data={"person": subject})
            address = urljoin(str(page.url), page.headers["Location"])
    arrived: Any = client.get(address)
    arrived.callback = address
    return arrived
