"""API calls of the fast lane are answered as any other, wait for nobody and remember no right."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from functools import partial
from threading import Event
from typing import Any

import httpx
import pytest
from asgiref.sync import sync_to_async
from django.db import connections, transaction
from django.test import Client
from django.urls import include, path

from keys.models import Token
from portal import fastlane, urls
from portal.handler import THREADS, PortalHandler
from portal.models import User
from sessions.api.endpoint import endpoint
from sessions.api.me import MeView

pytestmark = pytest.mark.django_db(transaction=True)
IDENTITY = "/api/v1/me/?fields=identity"


class Broken(MeView):
    """An API call that fails."""

    def get(self, request, *args, **kwargs):
        raise LookupError("this is broken")


urlpatterns = [
    path("api/v1/broken/", endpoint(Broken, quick=["GET"])),
    path("", include(urls.urlpatterns)),
]
handler500 = urls.handler500


class Web:
    """The portal's handler; ``in_lane`` counts the calls that its fast lane has answered."""

    def __init__(self, secret: str) -> None:
        self.handler = PortalHandler()
        self.secret, self.in_lane = secret, 0
        fast: Any = self.handler._fast
        answer = fast.get_response

        def counted(request):
            self.in_lane += 1
            return answer(request)

        fast.get_response = counted

    async def ask(self, address: str, method: str = "GET", **headers: str) -> httpx.Response:
        fields = {"Authorization": f"Bearer {self.secret}", **headers}
        app: Any = self.handler
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://localhost", headers=fields
        ) as client:
            return await asyncio.wait_for(client.request(method, address), 10)

    async def close(self) -> None:
        await self.handler._lane.run(connections.close_all)
        await self.handler._changes.run(connections.close_all)
        closing = [self.handler._threads.submit(connections.close_all) for _ in range(THREADS)]
        closing.append(self.handler._writer.submit(connections.close_all))
        for each in closing:
            await asyncio.wrap_future(each)
        self.handler._threads.shutdown()
        self.handler._writer.shutdown()


@pytest.fixture
def token(ada) -> tuple[Token, str]:
    return Token.objects.issue(ada, "program")


@pytest.fixture
async def web(token) -> AsyncIterator[Web]:
    made = Web(token[1])
    yield made
    await made.close()


async def test_the_answer_is_that_of_the_pool(web, token):
    client = Client(headers={"Authorization": f"Bearer {token[1]}"})
    addresses = [IDENTITY, "/api/v1/me/", "/api/v1/ssh-key/", "/api/v1/projects/none/"]
    addresses += ["/api/v1/me/?fields=everything"]
    for number, address in enumerate(addresses, 1):
        quick = await web.ask(address)
        assert web.in_lane == number
        usual = await sync_to_async(client.get)(address)
        assert (quick.status_code, quick.content) == (usual.status_code, usual.content)
        theirs = {name.lower(): value for name, value in usual.headers.items() if name != "Vary"}
        assert dict(quick.headers) == {**theirs, "vary": "Origin"}, address


async def test_a_revoked_token_ends_with_the_next_call(web, token):
    assert (await web.ask(IDENTITY)).json()["username"] == "ada"
    await token[0].adelete()
    answer = await web.ask(IDENTITY)
    assert (answer.status_code, answer.json()["code"]) == (401, "token.invalid")


async def test_a_disabled_person_is_refused_with_the_next_call(web, ada):
    assert (await web.ask(IDENTITY)).status_code == 200
    await User.objects.filter(pk=ada.pk).aupdate(is_active=False)
    assert (await web.ask(IDENTITY)).status_code == 401


async def test_a_promotion_shows_with_the_next_call(web, ada):
    assert not (await web.ask(IDENTITY)).json()["is_staff"]
    await User.objects.filter(pk=ada.pk).aupdate(is_staff=True)
    assert (await web.ask(IDENTITY)).json()["is_staff"]


async def test_calls_are_answered_while_all_other_threads_wait(web):
    doors = Event()
    waiting = [web.handler._threads.submit(doors.wait) for _ in range(THREADS)]
    try:
        assert (await web.ask(IDENTITY)).status_code == 200
    finally:
        doors.set()
    assert all(each.result() for each in waiting)


async def test_the_pool_takes_over_if_a_call_takes_long_in_the_lane(web):
    doors = Event()
    slow = asyncio.create_task(web.handler._lane.run(doors.wait))
    await asyncio.sleep(0)
    try:
        answers = await asyncio.gather(*(web.ask(IDENTITY) for _ in range(5)))
        assert {answer.status_code for answer in answers} == {200}
    finally:
        doors.set()
    assert await slow
    assert (await web.ask(IDENTITY)).status_code == 200


async def test_changes_are_made_in_turn_and_hold_up_no_reader(web, token):
    """One that waits, for the database's lock perhaps, delays other changes and nothing else."""
    doors = Event()
    slow = asyncio.create_task(web.handler._changes.run(doors.wait))
    await asyncio.sleep(0)
    change = asyncio.create_task(web.ask("/api/v1/projects/none/stop/", method="POST"))
    try:
        assert (await web.ask(IDENTITY)).status_code == 200
        assert not change.done()
    finally:
        doors.set()
    assert await slow
    assert (await change).json()["code"] == "not_found"


async def test_the_pool_takes_a_change_over_that_would_wait_for_long(web):
    doors = Event()
    slow = asyncio.create_task(web.handler._changes.run(doors.wait))
    await asyncio.sleep(0)
    try:
        answer = await web.ask("/api/v1/projects/none/stop/", method="POST")
        assert answer.status_code == 404
    finally:
        doors.set()
    assert await slow


async def test_calls_are_begun_once_and_in_their_order():
    lane, begun = fastlane.Lane(), list[int]()
    await asyncio.gather(*(lane.run(partial(begun.append, at)) for at in range(50)))
    assert begun == list(range(50))


async def test_a_call_that_the_lane_gave_up_is_not_begun_there():
    lane, doors, begun = fastlane.Lane(), Event(), list[str]()
    slow = asyncio.create_task(lane.run(doors.wait))
    await asyncio.sleep(0)
    with pytest.raises(fastlane.HeldUp):
        await lane.run(partial(begun.append, "late"))
    doors.set()
    await slow
    await lane.run(partial(begun.append, "after"))
    assert begun == ["after"]


async def test_a_locked_database_holds_no_call_up(web, token):
    """Noting the use of the token is a write, which waits; the answer does not."""

    @transaction.atomic
    def hold(seized: Event, doors: Event) -> None:
        Token.objects.filter(pk=token[0].pk).update(name="held")
        seized.set()
        doors.wait()

    seized, doors = Event(), Event()
    holding = asyncio.create_task(asyncio.to_thread(_closing, hold, seized, doors))
    await asyncio.to_thread(seized.wait)
    try:
        for _call in range(3):
            assert (await asyncio.wait_for(web.ask(IDENTITY), 2)).status_code == 200
        assert len(web.handler._due) == 1
    finally:
        doors.set()
    await holding
    await asyncio.wrap_future(web.handler._writer.submit(lambda: None))
    assert (await Token.objects.aget(pk=token[0].pk)).last_used


def _closing(act, *given) -> None:
    try:
        act(*given)
    finally:
        connections.close_all()


@pytest.fixture
def with_broken_call(settings) -> Iterator[None]:
    settings.ROOT_URLCONF = __name__
    fastlane._match.cache_clear()
    yield
    fastlane._match.cache_clear()


async def test_a_failure_has_its_code_and_reference(with_broken_call, web):
    answer = await web.ask("/api/v1/broken/")
    assert web.in_lane == 1
    assert answer.status_code == 500
    assert answer.json()["code"] == "error"
    assert len(answer.json()["reference"]) == 8


async def test_another_host_and_a_nul_are_refused(web):
    assert (await web.ask(IDENTITY, Host="elsewhere.example")).status_code == 400
    assert (await web.ask(IDENTITY, Cookie='a="\\000"')).json()["code"] == "bad_request"
    assert web.in_lane == 2


@pytest.mark.parametrize(
    ("address", "authorization"),
    [
        (IDENTITY, "Basic YWRhOg=="),
        (IDENTITY, "Bearer "),
        ("/api/v1/projects/", None),
        ("/api/v1/me/download/", None),
        ("/health", None),
    ],
)
async def test_what_may_wait_is_not_for_the_lane(backend, web, address, authorization):
    headers = {} if authorization is None else {"Authorization": authorization}
    await web.ask(address, **headers)
    assert web.in_lane == 0


def test_identity_takes_one_query(token, django_assert_num_queries):
    client = Client(headers={"Authorization": f"Bearer {token[1]}"})
    client.get(IDENTITY)  # notes the token's use
    with django_assert_num_queries(1):
        answer = client.get(IDENTITY)
    assert answer.json() == {"username": "ada", "email": "ada@example.org", "is_staff": False}
