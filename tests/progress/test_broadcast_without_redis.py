"""Redis only wakes readers up: without it, or with a bad connection, all is seen as well."""

from __future__ import annotations

import asyncio
from contextlib import aclosing, suppress

import pytest
from asgiref.sync import sync_to_async
from channels.layers import InMemoryChannelLayer

from sessions.models import Session
from sessions.progress import journal
from sessions.progress.broadcast import hub
from sessions.states import Phase
from tests.making import session_of

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def nowhere(settings) -> None:
    """A channel layer at an address where nobody answers."""
    nowhere = {"hosts": ["redis://127.0.0.1:9/0"]}
    layer = {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": nowhere}
    settings.CHANNEL_LAYERS = {"default": layer}


@pytest.fixture
def session(ada) -> Session:
    return session_of(ada)


async def test_a_waiting_reader_gets_new_events_while_redis_is_away(nowhere, session):
    async with aclosing(hub().timeline(session.project_id, 0)) as timeline, asyncio.timeout(20):
        for text in ("one", "two"):
            waiting = asyncio.ensure_future(anext(timeline))
            await asyncio.sleep(0.5)  # until it has seen that there is nothing yet
            await sync_to_async(journal.record)(session, Phase.WAITING, text)
            ((item, _place),) = await waiting
            assert text in item


class LosesCancellations(InMemoryChannelLayer):
    """A layer that returns as usual if it is cancelled, as Redis's does now and then."""

    async def new_channel(self, prefix: str = "specific.") -> str:
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        channel: str = await super().new_channel(prefix)
        return channel


async def test_nobody_listens_after_the_last_reader_although_the_cancellation_was_lost(
    settings, session
):
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": f"{__name__}.{LosesCancellations.__name__}"}}
    before = asyncio.all_tasks()
    async with aclosing(hub().timeline(session.project_id, 0)) as timeline:
        waiting = asyncio.ensure_future(anext(timeline))
        await asyncio.sleep(0.5)  # until the layer is asked for a channel
        waiting.cancel()
        with suppress(asyncio.CancelledError):
            await waiting
    listening = asyncio.all_tasks() - before
    assert listening
    _ended, left = await asyncio.wait(listening, timeout=10)
    assert not left
