"""A live page is not left with a silent socket: the socket closes, and the page opens it again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from asgiref.sync import sync_to_async
from django.db import OperationalError, connection

from sessions.models import Project
from sessions.progress import journal
from sessions.states import Phase
from tests.making import session_of
from tests.readers import Reader, cookie_in, reading

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("quick_rechecks"),
]

TRY_AGAIN_LATER, INTERNAL_ERROR = 1013, 1011


class Failure:
    """A statement that fails while ``error`` is set; in the thread in which sockets read."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    def __call__(self, execute, *arguments):
        if self.error:
            raise self.error
        return execute(*arguments)


@pytest.fixture
def failure() -> Iterator[Failure]:
    failure = Failure()
    yield failure
    failure.error = None


@contextmanager
def failing(failure: Failure, error: Exception) -> Iterator[None]:
    failure.error = error
    yield
    failure.error = None


@sync_to_async
def install(failure: Failure) -> None:
    connection.execute_wrappers.append(failure)


@sync_to_async
def remove(failure: Failure) -> None:
    connection.execute_wrappers.remove(failure)


async def closed_with(reader: Reader) -> int:
    output = await reader.receive_output()
    while output["type"] == "websocket.send":
        output = await reader.receive_output()
    assert output["type"] == "websocket.close"
    return int(output["code"])


@pytest.mark.parametrize("path", ["/ws/projects/flowers/", "/ws/projects/"])
@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OperationalError("the connection is closed"), TRY_AGAIN_LATER),
        (RuntimeError("on purpose"), INTERNAL_ERROR),
    ],
)
async def test_a_socket_closes_when_the_database_fails(as_ada, ada, failure, path, error, code):
    await sync_to_async(session_of)(ada)
    reader = reading(path, cookie_in(as_ada))
    assert (await reader.connect())[0]
    await reader.receive_from() if "flowers" not in path else None
    await install(failure)
    try:
        with failing(failure, error):
            assert await closed_with(reader) == code
    finally:
        await remove(failure)


async def test_a_socket_that_is_opened_again_misses_nothing(as_ada, ada, failure):
    session = await sync_to_async(session_of)(ada)
    reader = reading("/ws/projects/flowers/", cookie_in(as_ada))
    assert (await reader.connect())[0]
    await install(failure)
    try:
        with failing(failure, OperationalError("the connection is closed")):
            assert await closed_with(reader) == TRY_AGAIN_LATER
    finally:
        await remove(failure)
    await sync_to_async(journal.record)(session, Phase.WAITING, "meanwhile")
    again = reading("/ws/projects/flowers/", cookie_in(as_ada))
    assert (await again.connect())[0]
    assert "meanwhile" in await again.receive_from()
    await again.disconnect()
    assert await sync_to_async(Project.objects.count)() == 1
