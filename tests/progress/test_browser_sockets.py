"""A socket of the portal's pages, or an event stream, lasts as long as the browser's sign-in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import cast

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import StreamingHttpResponse
from django.test import AsyncClient, Client
from django.utils import timezone

from portal.accounts import manage
from portal.models import User
from sessions.models import Project
from tests.making import project_of
from tests.readers import PATIENCE, cookie_in, reading

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("quick_rechecks"),
]


@pytest.fixture
def project(ada, backend) -> Project:
    return project_of(ada)


def sign_out(browser: Client, ada: User) -> None:
    browser.logout()


def sign_out_everywhere(browser: Client, ada: User) -> None:
    manage.sign_out(ada)


def change_the_password(browser: Client, ada: User) -> None:
    ada.set_password("another")
    ada.save()


def vouch_no_more(browser: Client, ada: User) -> None:
    User.objects.update(vouched_until=timezone.now() - timedelta(seconds=1))


@pytest.mark.parametrize("path", ["/ws/projects/flowers/", "/ws/projects/"])
@pytest.mark.parametrize("end", [sign_out, sign_out_everywhere, change_the_password, vouch_no_more])
async def test_a_socket_closes_when_the_sign_in_ends(
    as_ada, ada, project, path: str, end: Callable[[Client, User], None]
):
    reader = reading(path, cookie_in(as_ada))
    assert (await reader.connect())[0]
    await sync_to_async(end)(as_ada, ada)
    output = await reader.receive_output()
    while output["type"] == "websocket.send":
        output = await reader.receive_output()
    assert (output["type"], output["code"]) == ("websocket.close", 4404)


@pytest.mark.parametrize("end", [sign_out, sign_out_everywhere, vouch_no_more])
async def test_an_event_stream_ends_when_the_sign_in_ends(
    as_ada, ada, project, end: Callable[[Client, User], None]
):
    client = AsyncClient()
    client.cookies = as_ada.cookies
    answer = await client.get(
        "/api/v1/projects/flowers/events/", headers={"Accept": "text/event-stream"}
    )
    stream = cast(AsyncIterator[bytes], cast(StreamingHttpResponse, answer).streaming_content)
    await anext(stream)
    await anext(stream)
    await sync_to_async(end)(as_ada, ada)
    async with asyncio.timeout(PATIENCE):
        async for _piece in stream:
            pass


async def test_a_socket_stays_open_while_the_sign_in_is_valid(as_ada, project):
    reader = reading("/ws/projects/", cookie_in(as_ada))
    assert (await reader.connect())[0]
    await reader.receive_from()
    assert await reader.receive_nothing(timeout=10 * settings.PORTAL_LIVE_RECHECK)
    await reader.disconnect()
