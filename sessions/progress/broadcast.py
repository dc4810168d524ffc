"""Follow timelines and logs live: one database look per process and tick, for all readers.

Readers hold their own cursor and read at their own pace, so a slow one loses nothing and holds
nobody up. A tick compares one version number for each watched thing; only a change wakes its
readers, and readers at the same place share what one of them has read. Ticks come every 50 ms, or
as soon as Redis says that there is more (`notify`). `journal` reads the database.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Hashable,
    Iterable,
    Iterator,
)
from typing import Any
from weakref import WeakKeyDictionary

from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.conf import settings
from django.db.models import Count, Max, Q, Sum

from sessions.models import Build, Project
from sessions.outages import is_database_away_error as is_away

from . import journal
from .notify import GROUP, redis_errors

log = logging.getLogger(__name__)

TICK = 0.05
PROJECT_LIST_TICK = 0.5
LAYER_TICK = 1.0
LAYER_PAUSE = 5.0
"""Seconds after which Redis is tried again."""
ERROR_PAUSE = 1.0

Batch = list[tuple[str, int]]
"""JSON items, each with its cursor."""
Version = tuple[Hashable, ...]
Read = Callable[[int, int], journal.Page]
"""Reads the items after a cursor, for the project or build with this number."""
Versions = Callable[[list[int]], Awaitable[list[tuple[int, Version]]]]


class Topic:
    """One thing that is followed.

    It has its version, a future for the next one, and the pages that its readers have read of this
    version, by the cursor they read from.
    """

    def __init__(self) -> None:
        self.version: Version = ()
        self.readers = 0
        self.next: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.pages: dict[int, asyncio.Task[tuple[Batch, int]]] = {}

    def publish(self, version: Version) -> None:
        """Store the new version and wake the readers."""
        self.version = version
        self.pages = {}
        self.next.set_result(None)
        self.next = asyncio.get_running_loop().create_future()


class Hub:
    """Everything that is followed in this process. There is one for each event loop, see `hub`."""

    def __init__(self) -> None:
        self.timelines: dict[int, Topic] = {}
        self.events: dict[int, Topic] = {}
        self.logs: dict[int, Topic] = {}
        self.project_lists: dict[int, Topic] = {}
        self.ticker: asyncio.Task[None] | None = None

    def timeline(self, project_id: int, after: int, *, log: bool = True) -> AsyncGenerator[Batch]:
        """Yield a project's timeline after a cursor, as JSON, in batches; then new items, for ever.

        Without ``log``, yield the events alone. A silence of a few seconds yields an empty batch,
        so that a reader can check whether the other side is still there and still allowed to read.
        """
        if log:
            return self._read(self.timelines, project_id, journal.read, after)
        return self._read(self.events, project_id, journal.read_events, after)

    def log(self, build_id: int, after: int) -> AsyncGenerator[Batch]:
        """Yield a build's log after chunk number ``after``, in batches like `timeline`."""
        return self._read(self.logs, build_id, journal.read_log, after)

    async def project_list_changes(self, user_id: int) -> AsyncGenerator[bool]:
        """Yield True each time that one of a person's projects has changed, False in silence."""
        with self._subscribe(self.project_lists, user_id) as topic:
            while True:
                yield await _wait_for_news(topic.next)

    async def _read(
        self, topics: dict[int, Topic], key: int, read: Read, after: int
    ) -> AsyncGenerator[Batch]:
        with self._subscribe(topics, key) as topic:
            while True:
                news = topic.next
                batch, after = await _page(topic, read, key, after)
                if batch or not await _wait_for_news(news):
                    yield batch

    @contextlib.contextmanager
    def _subscribe(self, topics: dict[int, Topic], key: int) -> Iterator[Topic]:
        topic = topics.setdefault(key, Topic())
        topic.readers += 1
        if self.ticker is None or self.ticker.done():
            self.ticker = asyncio.create_task(self._tick())
        try:
            yield topic
        finally:
            topic.readers -= 1
            if not topic.readers:
                del topics[key]

    async def _tick(self) -> None:
        """Look for new versions as long as anybody follows anything."""
        clock = asyncio.get_running_loop().time
        async with _pause() as pause:
            shelves_due = 0.0
            while self.timelines or self.events or self.logs or self.project_lists:
                await _publish_changes(self.timelines, _timeline_versions)
                await _publish_changes(self.events, _event_versions)
                await _publish_changes(self.logs, _log_versions)
                if clock() >= shelves_due:
                    shelves_due = clock() + PROJECT_LIST_TICK
                    await _publish_changes(self.project_lists, _project_list_versions)
                await pause()


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()


def hub() -> Hub:
    """Return the hub of the running event loop."""
    return _hubs.setdefault(asyncio.get_running_loop(), Hub())


async def _publish_changes(topics: dict[int, Topic], versions: Versions) -> None:
    if not topics:
        return
    try:
        found = await versions(list(topics))
    except Exception as error:
        log.warning("cannot check for news, trying again: %s", error, exc_info=not is_away(error))
        await asyncio.sleep(ERROR_PAUSE)
        return
    for key, version in found:
        topic = topics.get(key)
        if topic and topic.version != version:
            topic.publish(version)


async def _wait_for_news(news: asyncio.Future[None]) -> bool:
    """Return whether something new comes before the silence gets too long."""
    done, _waiting = await asyncio.wait([news], timeout=settings.PORTAL_LIVE_RECHECK)
    return bool(done)


@contextlib.asynccontextmanager
async def _pause() -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Yield a function to await between two ticks.

    It waits for a short time, or up to a longer one for a message from Redis.
    """
    layer = get_channel_layer()
    if layer is None:
        yield lambda: asyncio.sleep(TICK)
        return
    listener = _Listener(layer)
    task = asyncio.create_task(listener.run())
    try:
        yield listener.wait
    finally:
        task.cancel()  # and is not waited for: closing the connection may take a while
        _ending.add(task)
        task.add_done_callback(_ending.discard)


_ending: set[asyncio.Task[None]] = set()
"""Listeners that are about to end: the event loop itself keeps only weak references."""


class _Listener:
    """Receives Redis's messages in a task of its own: no reader waits for Redis."""

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        self._message = asyncio.Event()
        self._is_joined = False

    async def wait(self) -> None:
        """Return at the next message, or after a moment: a short one without Redis."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._message.wait(), LAYER_TICK if self._is_joined else TICK)
        self._message.clear()

    async def run(self) -> None:
        """Receive messages until this task is cancelled, whether Redis is there or not."""
        while True:
            try:
                await self._receive()
            except redis_errors() as error:
                log.warning("live readers go on without Redis: %s", error)
            finally:
                self._is_joined = False
                with contextlib.suppress(*redis_errors()):
                    await self._layer.flush()  # forgets the channel, and closes the connection
            if _is_cancelled():
                return
            await asyncio.sleep(LAYER_PAUSE)

    async def _receive(self) -> None:
        channel: str = await self._layer.new_channel()
        await self._layer.group_add(GROUP, channel)
        self._is_joined = True
        while not _is_cancelled():
            await self._layer.receive(channel)
            self._message.set()


def _is_cancelled() -> bool:
    """Return whether this task is to end, also if a library has kept the `CancelledError`.

    The layer does so now and then while it subscribes or closes its connection.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


async def _page(topic: Topic, read: Read, key: int, after: int) -> tuple[Batch, int]:
    """Read on from a cursor; readers at the same place share one read."""
    pages = topic.pages
    task = pages.get(after)
    if task is None:
        task = pages[after] = asyncio.create_task(_read(read, key, after))
    try:
        return await asyncio.shield(task)
    except Exception:
        pages.pop(after, None)
        raise


@database_sync_to_async
def _read(read: Read, key: int, after: int) -> tuple[Batch, int]:
    page = read(key, after)
    items = [(json.dumps(item, ensure_ascii=False), item["cursor"]) for item in page.items]
    return items, page.next


@database_sync_to_async
def _timeline_versions(project_ids: list[int]) -> list[tuple[int, Version]]:
    fields = ("pk", "events_written", "current__build__chunks")
    return _split(Project.objects.filter(pk__in=project_ids).values_list(*fields))


@database_sync_to_async
def _event_versions(project_ids: list[int]) -> list[tuple[int, Version]]:
    return _split(Project.objects.filter(pk__in=project_ids).values_list("pk", "events_written"))


@database_sync_to_async
def _log_versions(build_ids: list[int]) -> list[tuple[int, Version]]:
    return _split(Build.objects.filter(pk__in=build_ids).values_list("pk", "chunks"))


@database_sync_to_async
def _project_list_versions(user_ids: list[int]) -> list[tuple[int, Version]]:
    """Return a version for each person's projects.

    Deleted ones count too, so that a deletion and a restore between two looks are a change.
    """
    rows = Project.objects.filter(owner__in=user_ids).values("owner")
    existing = Count("pk", filter=Q(removed=None))
    versions = rows.annotate(n=existing, written=Sum("events_written"), at=Max("current__changed"))
    found = _split(versions.values_list("owner", "n", "written", "at"))
    return found + [(user_id, (0,)) for user_id in set(user_ids) - {row[0] for row in found}]


def _split(rows: Iterable[Any]) -> list[tuple[int, Version]]:
    return [(row[0], tuple(row[1:])) for row in rows]
