"""Fuzz the pages: no input at any address causes a server error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from django.urls import URLPattern

from portal.urls import urlpatterns
from sessions.states import ProjectState
from tests import hostile
from tests.stages import project_in

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.databases,
    pytest.mark.filterwarnings("ignore:StreamingHttpResponse must consume:Warning"),
]

Tries = Iterator[tuple[str, Any, Callable[[], Any]]]
NAMES = ("repository", "ref", "path", "delete", "stop", "next", "ask", "limit", "value", "until",
         "why", "name", "scopes", "days", "ends", "own_end", "state", "code", "iss", "error",
         "username", "password", "new_password1", "nonce", "service", "another")  # fmt: skip
FIXED = {"slug:slug": "provider", "path:path": "info/refs", "int:pk": "1"}


@pytest.fixture(autouse=True)
def unbounded(settings) -> None:
    settings.PORTAL_API_CHANGE_RATE = settings.PORTAL_API_STRANGER_RATE = 0


def pages(project: str) -> Iterator[str]:
    """Yield every address of a page, with an existing project in it."""
    for each in urlpatterns:
        if isinstance(each, URLPattern):
            route = str(each.pattern)
            for verb in ("stop", "restore", "delete-for-good") if "verb" in route else ("",):
                filled = route.replace("<slug:name>", project)
                for what, value in FIXED.items():
                    filled = filled.replace(f"<{what}>", value)
                yield f"/projects/{project}/{verb}/" if verb else f"/{filled}"


def sent(clients: list[Client], project: str) -> Tries:
    for address in pages(project):
        for name in NAMES:
            for value in hostile.VALUES:
                for client in clients:
                    yield address, {name: value}, partial(hostile.get, client, address, name, value)
                    yield address, {name: value}, partial(client.post, address, {name: value})


def strange_addresses(clients: list[Client]) -> Tries:
    shapes = ("/projects/{}/", "/projects/{}/stop/", "/projects/{}/log.txt", "/examples/{}.git/x",
              "/examples/flowers.git/{}", "/oidc/{}/sign-in/", "/account/tokens/{}/revoke/",
              "/account/requests/{}/seen/", "/{}", "/static/{}", "/v2/{}", "/v2/gh/o/{}",
              "/v2/git/{}/main", "/v2/gh/o/r/main?urlpath={}", "/repo/o/{}/x")  # fmt: skip
    for shape in shapes:
        for value in hostile.VALUES:
            address = shape.format(quote(value, safe=""))
            for client in clients:
                yield address, "get", partial(client.get, address)
                yield address, "post", partial(client.post, address)


@pytest.mark.parametrize("most", hostile.AMOUNTS)
def test_hostile_input_causes_no_server_error(ada, as_ada, as_eve, backend, most):
    name = project_in(ProjectState.READY, ada).name
    assert hostile.broken(sent([as_ada, as_eve], name), most) == []


@pytest.mark.parametrize("most", hostile.AMOUNTS)
def test_strange_addresses_cause_no_server_error(as_ada, as_eve, backend, most):
    assert hostile.broken(strange_addresses([as_ada, as_eve]), most) == []


@pytest.mark.parametrize("most", hostile.AMOUNTS)
def test_one_hostile_field_in_a_valid_form_causes_no_server_error(ada, as_ada, backend, most):
    """Where a form is nearly right, what is wrong gets further."""
    right: dict[str, dict[str, Any]] = {
        "/launch/": {"repository": "ada/flowers", "ref": "main", "path": "x.ipynb"},
        "/account/ask/": {"limit": "projects", "value": "9", "until": "2027-01-01", "why": "x"},
        "/account/tokens/": {"name": "laptop", "scopes": ["read"], "days": "30"},
        "/sign-in/": {"username": "ada", "password": "ada's password", "next": "/"},
    }

    def tries() -> Tries:
        for address, form in right.items():
            for field in form:
                for value in hostile.VALUES:
                    data = {**form, field: value}
                    yield address, {field: value}, partial(as_ada.post, address, data)

    assert hostile.broken(tries(), most) == []
