"""Sockets and event streams that were opened with a token end when the token does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import cast

import pytest
from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse
from django.test import AsyncClient
from django.utils import timezone

from keys.models import Token
from portal.models import User
from sessions.models import Project
from tests.making import project_of
from tests.readers import PATIENCE, Reader, reading

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("quick_rechecks"),
]

PATHS = ["/ws/projects/flowers/", "/ws/projects/"]


@pytest.fixture
def project(ada, backend) -> Project:
    return project_of(ada)


def socket(path: str, secret: str) -> Reader:
    return reading(path, (b"authorization", f"Bearer {secret}".encode()))


@sync_to_async
def issue(user: User, *scopes: str) -> str:
    return Token.objects.issue(user, "test", scopes)[1]


def revoke() -> None:
    Token.objects.all().delete()


def expire() -> None:
    Token.objects.update(expires=timezone.now() - timedelta(seconds=1))


def vouch_no_more() -> None:
    User.objects.update(vouched_until=timezone.now() - timedelta(seconds=1))


ENDS = [revoke, expire, vouch_no_more]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("end", ENDS)
async def test_a_socket_closes_when_its_token_becomes_invalid(
    ada, project, path: str, end: Callable[[], None]
):
    reader = socket(path, await issue(ada, "read"))
    assert (await reader.connect())[0]
    await sync_to_async(end)()
    output = await reader.receive_output()
    while output["type"] == "websocket.send":
        output = await reader.receive_output()
    assert (output["type"], output["code"]) == ("websocket.close", 4404)


@pytest.mark.parametrize("path", PATHS)
async def test_a_token_without_the_read_scope_opens_no_socket(ada, project, path):
    reader = socket(path, await issue(ada, "notebook"))
    is_open, code = await reader.connect()
    assert (is_open, code) == (False, 4403)


@pytest.mark.parametrize("end", ENDS)
async def test_an_event_stream_ends_when_its_token_becomes_invalid(
    ada, project, end: Callable[[], None]
):
    secret = await issue(ada, "read")
    answer = await AsyncClient().get(
        "/api/v1/projects/flowers/events/",
        headers={"Authorization": f"Bearer {secret}", "Accept": "text/event-stream"},
    )
    stream = cast(AsyncIterator[bytes], cast(StreamingHttpResponse, answer).streaming_content)
    await anext(stream)
    await sync_to_async(end)()
    async with asyncio.timeout(PATIENCE):
        async for _piece in stream:
            pass
