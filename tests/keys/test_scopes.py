"""Token scopes: every address of the API is tried with every scope, so that no new one can be
forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.admindocs.views import simplify_regex
from django.test import Client
from django.urls import URLPattern, get_resolver

from keys.models import SCOPES, Token
from portal.models import User
from sessions.models import Project
from sessions.states import ProjectState
from tests.stages import project_in

pytestmark = pytest.mark.django_db

PUBLIC = {"/api/v1/", "/api/v1/schema/", "/api/v1/docs/", "/api/v1/<path>"}
"""Addresses that anybody may read; the last is any that does not exist."""
TWO_SCOPES = {"/api/v1/projects/<name>/files/"}
"""Addresses of what is in a notebook: see `tests/api/test_files.py`."""
SAFE = {"get", "head", "options"}
METHODS = [*SAFE, "post", "put", "patch", "delete"]


def patterns(resolver: Any, before: str = "") -> Iterator[tuple[str, URLPattern]]:
    for each in resolver.url_patterns:
        route = before + str(each.pattern).removeprefix("^")
        if isinstance(each, URLPattern):
            yield route, each
        elif "api/v1/".startswith(route[:7]):
            yield from patterns(each, route)


def addresses() -> list[str]:
    """Return the addresses of the API, with names for the parts that have to be filled in."""
    routes = [route for route, _each in patterns(get_resolver()) if route.startswith("api/v1/")]
    return [re.sub(r"<\w+:", "<", simplify_regex(route)) for route in routes]


def methods_of(client: Client, address: str) -> list[str]:
    """Return the methods that the address allows, by its own answer."""
    allowed = client.options(address).headers["Allow"].lower().split(", ")
    return [method for method in METHODS if method in allowed]


@pytest.fixture
def project(ada, backend) -> Project:
    return project_in(ProjectState.READY, ada)


@pytest.fixture
def example(project, ada) -> dict[str, str]:
    own = Token.objects.issue(ada, "another")[0]
    return {"name": project.name, "username": "ada", "pk": str(own.pk)}


def client_of(user: User, scope: str) -> Client:
    """Return a client with a token of exactly this scope, whatever issuing one would add."""
    token, secret = Token.objects.issue(user, f"for {scope}")
    Token.objects.filter(pk=token.pk).update(scope=scope)
    return Client(headers={"Authorization": f"Bearer {secret}"})


def filled_in(address: str, example: dict[str, str]) -> str:
    return re.sub(r"<(\w+)>", lambda found: example[found[1]], address)


def test_the_list_of_addresses_covers_the_api():
    assert {"/api/v1/me/", "/api/v1/tokens/", "/api/v1/projects/<name>/stop/"} <= set(addresses())


@pytest.mark.parametrize("address", sorted(set(addresses()) - PUBLIC - TWO_SCOPES))
@pytest.mark.parametrize("scope", SCOPES)
def test_every_address_needs_exactly_the_scope_for_its_method(root, example, address, scope):
    client = client_of(root, scope)
    for method in methods_of(client_of(root, "read"), filled_in(address, example)):
        answer = getattr(client, method)(filled_in(address, example))
        needed = "read" if method in SAFE else "launch"
        is_refused = answer.status_code == 403 and _code(answer, method) == "token.scope"
        assert is_refused == (scope != needed), (method, answer.status_code)
        if is_refused:
            challenge = f'Bearer error="insufficient_scope", scope="{needed}"'
            assert answer.headers["WWW-Authenticate"] == challenge


def _code(answer: Any, method: str) -> str:
    return "token.scope" if method == "head" else answer.json()["code"]


@pytest.mark.parametrize("address", sorted(set(addresses()) - PUBLIC))
def test_every_address_is_401_without_a_token(example, address):
    for method in METHODS:
        answer = getattr(Client(), method)(filled_in(address, example))
        assert answer.status_code == 401, method


def test_the_refusal_names_the_missing_scope_and_where_to_get_it(ada, settings):
    answer = client_of(ada, "read").post("/api/v1/projects/", {"repository": "a/b"})
    assert answer.status_code == 403
    assert "“launch”" in answer.json()["detail"]
    assert f"{settings.PORTAL_URL}/account/#tokens" in answer.json()["detail"]


def test_a_signed_in_browser_needs_no_scope(as_ada, backend):
    assert as_ada.get("/api/v1/me/").status_code == 200
    answer = as_ada.post("/api/v1/tokens/", {"name": "laptop"}, content_type="application/json")
    assert answer.status_code == 201
