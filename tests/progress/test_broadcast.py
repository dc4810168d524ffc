"""Live progress: everything from any position, to everyone who may see it, and to nobody else."""

from __future__ import annotations

import asyncio
import json
from typing import cast

import pytest
from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse
from django.test import AsyncClient

from keys.models import Token
from portal.models import User
from sessions.models import Build, Session
from sessions.progress import journal
from sessions.states import Phase
from tests.making import say, session_of
from tests.readers import Reader, cookie_of, reading

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def session(ada) -> Session:
    session = session_of(ada)
    session.build = Build.objects.create(url="u", commit="c" * 40, image="i")
    session.save()
    journal.record(session, Phase.WAITING, "launched")
    journal.record(session, Phase.FETCHING, "building", build=session.build)
    return session


def bearer_of(user: User) -> tuple[bytes, bytes]:
    return b"authorization", f"Bearer {Token.objects.issue(user, 'test')[1]}".encode()


async def messages(communicator: Reader, count: int) -> list[str]:
    got = [json.loads(await communicator.receive_from()) for _ in range(count)]
    return [item["message"] for item in got]


async def test_a_socket_sends_past_messages_and_then_new_ones(ada, session):
    reader = reading("/ws/projects/flowers/", await sync_to_async(cookie_of)(ada))
    assert (await reader.connect())[0]
    assert await messages(reader, 2) == ["launched", "building"]
    for text in ("one", "two"):
        await sync_to_async(say)(session.build, text)
        assert await messages(reader, 1) == [text]
    await sync_to_async(journal.record)(session, Phase.BUILT, "built", build=session.build)
    assert await messages(reader, 1) == ["built"]
    await reader.disconnect()


async def test_a_socket_resumes_at_its_cursor(ada, session):
    await sync_to_async(say)(session.build, "one")
    page = await sync_to_async(journal.read)(session.project_id)
    after = page.items[1]["cursor"]
    reader = reading(f"/ws/projects/flowers/?after={after}", await sync_to_async(bearer_of)(ada))
    assert (await reader.connect())[0]
    assert await messages(reader, 1) == ["one"]
    await reader.disconnect()


async def test_many_readers_of_one_build_all_see_every_line(ada, session):
    header = await sync_to_async(cookie_of)(ada)
    readers = [reading("/ws/projects/flowers/", header) for _ in range(20)]
    for reader in readers:
        assert (await reader.connect())[0]
    lines = [f"line {n}" for n in range(30)]
    for line in lines:
        await sync_to_async(say)(session.build, line)
    for reader in readers:
        assert await messages(reader, 32) == ["launched", "building", *lines]
        await reader.disconnect()


@pytest.mark.parametrize("after", ["nonsense", "-5", "9" * 40, "%00"])
async def test_an_invalid_cursor_starts_from_the_beginning(ada, session, after):
    reader = reading(f"/ws/projects/flowers/?after={after}", await sync_to_async(cookie_of)(ada))
    assert (await reader.connect())[0]
    assert await messages(reader, 1) == ["launched"]
    await reader.disconnect()


async def test_other_people_are_refused_and_staff_are_admitted(bob, stan, session):
    for header in ([await sync_to_async(cookie_of)(bob)], [(b"authorization", b"Bearer x")], []):
        assert not (await reading("/ws/projects/flowers/", *header).connect())[0]
    assert not (await reading("/ws/projects/").connect())[0]
    staff = reading("/ws/projects/flowers/", await sync_to_async(cookie_of)(stan))
    assert (await staff.connect())[0]
    await staff.disconnect()


async def test_a_socket_closes_when_its_user_is_deactivated(ada, session, quick_rechecks):
    reader = reading("/ws/projects/flowers/", await sync_to_async(cookie_of)(ada))
    assert (await reader.connect())[0]
    await messages(reader, 2)
    await User.objects.filter(pk=ada.pk).aupdate(is_active=False)
    closing = await reader.receive_output(timeout=15)
    assert closing["type"] == "websocket.close"


async def test_the_dashboard_is_notified_only_of_ones_own_projects(ada, bob, session):
    hers = reading("/ws/projects/", await sync_to_async(cookie_of)(ada))
    his = reading("/ws/projects/", await sync_to_async(cookie_of)(bob))
    for reader in (hers, his):
        assert (await reader.connect())[0]
        assert json.loads(await reader.receive_from()) == {"changed": True}
    await sync_to_async(journal.record)(session, Phase.STOPPED, "stopped")
    assert json.loads(await hers.receive_from()) == {"changed": True}
    assert await his.receive_nothing(timeout=1)
    for reader in (hers, his):
        await reader.disconnect()


async def test_an_event_stream_sends_the_same_items_with_cursors_as_ids(ada, session):
    await sync_to_async(say)(session.build, "one\ntwo")
    page = await sync_to_async(journal.read)(session.project_id)
    secret = (await sync_to_async(bearer_of)(ada))[1].decode()
    answer = await AsyncClient().get(
        "/api/v1/projects/flowers/events/",
        headers={"accept": "text/event-stream", "authorization": secret},
    )
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/event-stream"
    told: list[str] = []
    async with asyncio.timeout(5):
        async for part in cast(StreamingHttpResponse, answer):
            told.append(part.decode())
            if len(told) == 3:
                break
    assert told == [
        f"id: {item['cursor']}\ndata: {json.dumps(item, ensure_ascii=False)}\n\n"
        for item in page.items
    ]
