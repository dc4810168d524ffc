"""Fixtures: ada and bob with tokens, on the whole portal."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.githttp import GitServer
from tests.stack import Api, Stack


@pytest.fixture
def git(git_server: GitServer) -> GitServer:
    return git_server


@pytest.fixture(scope="session")
def ada(stack: Stack) -> Iterator[Api]:
    with stack.api("ada") as api:
        yield api


@pytest.fixture(scope="session")
def bob(stack: Stack) -> Iterator[Api]:
    with stack.api("bob") as api:
        yield api


@pytest.fixture(autouse=True)
def cleared(request: pytest.FixtureRequest) -> Iterator[None]:
    """Delete everybody's projects after each test, or only those of people whom a module names."""
    yield
    for person in getattr(request.module, "CLEARED_AFTER_EACH", ("ada", "bob")):
        if person in request.fixturenames:
            api: Api = request.getfixturevalue(person)
            for project in api.http.get("projects/").json():
                api.delete(project["name"])
