"""Wake the readers of timelines in other processes through Redis, if ``REDIS_URL`` names one.

The database is the truth and is polled anyway: a lost wake-up costs a moment, never a line. So
nobody waits for Redis: a thread of each process sends the wake-ups, those that come meanwhile as
one, and gives each `TIMEOUT_SECONDS`. `broadcast` receives the messages.

The Redis library is imported by name, so that the processes of a portal without Redis do not load
it: it is a seventh of what they load.
"""

from __future__ import annotations

import asyncio
import logging
import os
from threading import Event, Lock, Thread
from typing import Any

from channels.layers import get_channel_layer
from django.db import transaction
from django.utils.module_loading import import_string

TIMEOUT_SECONDS = 1.0
PAUSE_SECONDS = 5.0
"""Seconds after a failure before the next wake-up is sent."""
GROUP = "bindery.stories"

AWAY = "Redis does not answer"
REFUSED = "Redis refuses the portal"

log = logging.getLogger(__name__)


def redis_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions to catch around calls to Redis; call it in the ``except`` clause."""
    return OSError, import_string("redis.RedisError")


class Messenger:
    """A thread that sends wake-ups, so that whoever has something to tell need not wait."""

    def __init__(self) -> None:
        self.problem = ""
        self._layer: Any = None
        self._is_due = Event()
        self._thread = Thread(target=self._run, name="redis", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Have a wake-up sent soon; return at once."""
        self._is_due.set()

    def _run(self) -> None:
        loop = asyncio.new_event_loop()  # one for all, so that the connection stays open
        pause = Event()
        while self._is_due.wait():
            self._is_due.clear()
            before, self.problem = self.problem, loop.run_until_complete(self._send())
            if self.problem != before:
                log.warning("wake-ups: %s", self.problem or "Redis answers again")
            if self.problem:
                pause.wait(PAUSE_SECONDS)

    async def _send(self) -> str:
        """Send one wake-up; return why that failed, or ""."""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await self._use(get_channel_layer())
                if self._layer is not None:
                    await self._layer.group_send(GROUP, {"type": "more"})
        except redis_errors() as error:
            return REFUSED if _is_refusal(error) else AWAY
        except Exception:  # the thread goes on, whatever a wake-up meets
            log.exception("a wake-up could not be sent")
            return AWAY
        return ""

    async def _use(self, layer: Any) -> None:
        """Use this channel layer from now on; close the connection of another one before it."""
        before, self._layer = self._layer, layer
        if before is not None and before is not layer:
            await before.flush()


def _is_refusal(error: Exception) -> bool:
    """Return whether Redis has answered and says no; connecting hides that behind another error."""
    names = ("ResponseError", "AuthenticationError")
    refusals = tuple(import_string(f"redis.exceptions.{name}") for name in names)
    return isinstance(error, refusals) or isinstance(error.__cause__, refusals)


_messengers: dict[int, Messenger] = {}
"""By process id: a thread does not survive a fork."""
_lock = Lock()
os.register_at_fork(after_in_child=lambda: globals().update(_lock=Lock()))


def _messenger() -> Messenger:
    with _lock:
        number = os.getpid()
        if number not in _messengers:
            _messengers.clear()
            _messengers[number] = Messenger()
        return _messengers[number]


def problem() -> str:
    """Return why the last wake-up of this process was lost, or ""; have another one sent."""
    messenger = _messenger()
    messenger.wake()
    return messenger.problem


def wake_readers() -> None:
    """Tell the web processes, once this transaction is committed, that there is more to read."""
    if get_channel_layer() is not None:
        transaction.on_commit(_messenger().wake, robust=True)
