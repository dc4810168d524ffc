"""Wake the readers of timelines in other processes through Redis, if ``REDIS_URL`` names one.

The database is the truth and is polled anyway: a lost wake-up costs a moment, never a line.
`broadcast` receives the messages.

The Redis library is imported by name, so that the processes of a portal without Redis do not load
it: it is a seventh of what they load.
"""

from __future__ import annotations

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string

TIMEOUT_SECONDS = 2.0


def redis_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions to catch around calls to Redis; call it in the ``except`` clause."""
    return OSError, import_string("redis.RedisError")


def is_answering() -> bool:
    """Return whether Redis answers within `TIMEOUT_SECONDS`."""
    connect = import_string("redis.Redis").from_url
    try:
        with connect(
            settings.REDIS_URL,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
        ) as redis:
            redis.ping()
    except redis_errors():
        return False
    return True


GROUP = "bindery.stories"


def wake_readers() -> None:
    """Tell the web processes, once this transaction is committed, that there is more to read."""
    layer = get_channel_layer()
    if layer is not None:
        send = async_to_sync(layer.group_send)
        transaction.on_commit(lambda: send(GROUP, {"type": "more"}), robust=True)
