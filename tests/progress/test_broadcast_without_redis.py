"""Redis only wakes readers up: without it they see everything as well."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest
from asgiref.sync import sync_to_async

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
