"""Users with tokens, on a scripted back end: nothing here is about what is inside a notebook."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

from portal.models import User
from sessions import lifecycle
from sessions.models import Project
from tests.making import with_token
from tests.scripted import ScriptedBackend

REPOSITORY = "ada/flowers"

Launch = Callable[..., list[Project]]


def post(client: Client, address: str, data: object = None, **headers: str):
    """Post ``data``; name ``headers`` with underscores."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(
        f"/api/v1/{address}", data or {}, content_type="application/json", headers=given
    )


@pytest.fixture
def api(ada: User, backend: ScriptedBackend) -> Client:
    return with_token(ada)


@pytest.fixture
def launch(backend: ScriptedBackend) -> Launch:
    """``launch(user, 3)`` launches projects for a user, past every limit but that on notebooks."""

    def some(user: User, count: int = 1, repository: str = REPOSITORY) -> list[Project]:
        made = []
        for _number in range(count):
            project = lifecycle.launch(user, repository)
            lifecycle.cancel(project, user)
            made.append(project)
        return made

    return some
