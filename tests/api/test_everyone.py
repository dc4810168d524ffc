"""Call every address of the API as every kind of user; each call finds the portal unchanged. The
addresses come from the resolver, so a new one fails here until it is listed who may use it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.core.cache import cache
from django.db import transaction
from django.test import Client, TestCase
from django.urls import URLPattern

from keys.models import Token
from sessions.api import urls
from sessions.api.errors import not_found
from tests.api.conftest import REPOSITORY
from tests.making import with_token

pytestmark = pytest.mark.django_db

PROJECT = "projects/<slug:name>/"
LIMITS = r"^users/(?P<username>[\w.@+-]+)/limits/$"

# ada, who owns; ada with a token to read; bob; vera, who looks; stan, who operates; eve
EVERYBODY = (200, 200, 200, 200, 200, 200)
SIGNED_IN = (200, 200, 200, 200, 200, 401)
LOOK = (200, 200, 404, 200, 200, 401)
ACT = (202, 403, 404, 403, 202, 401)
ACT_IN_VAIN = (409, 403, 404, 403, 409, 401)  # the project is stopped
MAKE_OWN = (201, 403, 201, 201, 201, 401)

EXPECTED = {
    ("get", "me/"): SIGNED_IN,
    ("get", "me/download/"): SIGNED_IN,
    ("get", "tokens/"): SIGNED_IN,
    ("post", "tokens/"): MAKE_OWN,
    ("delete", "tokens/<int:pk>/"): (204, 403, 404, 404, 404, 401),
    ("get", "ssh-key/"): (200, 200, 404, 404, 404, 401),
    ("post", "ssh-key/rotate/"): (200, 403, 200, 200, 200, 401),
    ("get", LIMITS): (404, 404, 404, 200, 200, 401),
    ("patch", LIMITS): (404, 403, 404, 403, 200, 401),
    ("get", "projects/"): SIGNED_IN,
    ("post", "projects/"): MAKE_OWN,
    ("get", PROJECT): LOOK,
    ("delete", PROJECT): ACT,
    ("get", f"{PROJECT}events/"): LOOK,
    ("get", f"{PROJECT}files/"): (200, 403, 404, 403, 403, 401),
    ("delete", f"{PROJECT}files/"): (403, 403, 404, 403, 403, 401),  # a place itself stays
    ("post", f"{PROJECT}start/"): ACT,
    ("post", f"{PROJECT}stop/"): ACT_IN_VAIN,
    ("post", f"{PROJECT}keep/"): ACT,
    ("post", f"{PROJECT}rebuild/"): ACT,
    ("post", f"{PROJECT}cancel/"): ACT_IN_VAIN,
    ("post", f"{PROJECT}restore/"): ACT_IN_VAIN,
    ("get", "schema/"): EVERYBODY,
    ("get", "docs/"): EVERYBODY,
}

BODIES = {
    "projects/": {"repository": REPOSITORY},
    "tokens/": {"name": "new"},
    LIMITS: {"projects": 7},
}


def endpoints() -> Iterator[tuple[str, str]]:
    for pattern in urls.urlpatterns:
        assert isinstance(pattern, URLPattern)
        view = getattr(pattern.callback, "cls", None)
        methods = ("get", "post", "put", "patch", "delete") if view else ("get",)
        for method in methods:
            if (view is None or hasattr(view, method)) and pattern.callback is not not_found:
                yield method, str(pattern.pattern)


def test_every_address_has_its_expected_permissions_listed():
    assert set(endpoints()) == set(EXPECTED)


@pytest.fixture
def people(ada, bob, vera, stan) -> dict[str, Client]:
    return {
        "ada": with_token(ada),
        "ada reading": with_token(ada, "read"),
        **{user.username: with_token(user) for user in (bob, vera, stan)},
        "eve": Client(),
    }


@contextmanager
def undone() -> Iterator[None]:
    """Undo whatever is done in the block, its tasks included."""
    with transaction.atomic():
        with TestCase.captureOnCommitCallbacks(execute=True):
            yield
        transaction.set_rollback(True)
    cache.clear()


@pytest.mark.parametrize(("method", "route"), EXPECTED)
def test_every_kind_of_user_gets_the_expected_status(ada, people, launch, method, route):
    name, token = launch(ada)[0].name, Token.objects.filter(user=ada).earliest("pk").pk
    path = route.replace("<slug:name>", name).replace("<int:pk>", str(token))
    path = "users/ada/limits/" if route == LIMITS else path
    body = json.dumps(BODIES.get(route, {}))
    statuses = {}
    for who, client in people.items():
        with undone():
            answer = client.generic(method.upper(), f"/api/v1/{path}", body, "application/json")
        statuses[who] = answer.status_code
        if answer.status_code >= 400:
            assert {"code", "detail"} <= set(answer.json())
    assert statuses == dict(zip(people, EXPECTED[method, route], strict=True))
