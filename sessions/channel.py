"""Redis, where ``REDIS_URL`` names one: whether it answers, and what is raised while it does not.

Its library is named by a string, so that the processes of a portal without Redis do not load it:
that is a seventh of what they load.
"""

from __future__ import annotations

from django.conf import settings
from django.utils.module_loading import import_string

SECONDS = 2.0


def failures() -> tuple[type[Exception], ...]:
    """What to catch around whatever may speak to Redis; asked for when something was raised."""
    return OSError, import_string("redis.RedisError")


def answers() -> bool:
    """Whether it does, within `SECONDS`."""
    connect = import_string("redis.Redis").from_url
    try:
        with connect(
            settings.REDIS_URL, socket_timeout=SECONDS, socket_connect_timeout=SECONDS
        ) as redis:
            redis.ping()
    except failures():
        return False
    return True
