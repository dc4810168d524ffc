"""A Redis cache that acts as if it were empty while Redis is away: slower, but never an error.

Nobody waits long for Redis: a command has `REDIS_SECONDS`, and after one that got no answer in
time, this process goes on without Redis for `PAUSE_SECONDS`.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.redis import RedisCache
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from portal.lib.gate import Gate, GateClosed

REDIS_SECONDS = 0.5
"""Seconds to connect to Redis, and to wait for more of an answer."""
PAUSE_SECONDS = 5.0
MAX_WAITING = 32
"""Threads of a process that ask Redis at once: as many as answer requests."""

gate = Gate("Redis", PAUSE_SECONDS, MAX_WAITING, max_seconds=REDIS_SECONDS)
"""One for the process: each of its threads has a cache of its own."""
_NO_ANSWER = (RedisConnectionError, RedisTimeoutError)


class FailSafeCache(RedisCache):
    """Django's Redis cache, whose reads and writes never raise Redis errors.

    Counting (``incr``) still raises: the code that counts (`sessions.api.throttles`) decides what a
    loss means.
    """

    def __init__(self, server: Any, params: dict[str, Any]) -> None:
        limits = {"socket_timeout": REDIS_SECONDS, "socket_connect_timeout": REDIS_SECONDS}
        # A connection that Redis has closed while it was idle is opened again.
        retry = Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,))
        options = {**limits, "retry": retry, **params.get("OPTIONS", {})}
        super().__init__(server, {**params, "OPTIONS": options})

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        try:
            with gate.guard(*_NO_ANSWER):
                return super().get(key, default, version)
        except (RedisError, GateClosed):
            return default

    def set(
        self,
        key: Any,
        value: Any,
        timeout: float | None = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> None:
        with suppress(RedisError, GateClosed), gate.guard(*_NO_ANSWER):
            super().set(key, value, timeout, version)

    def add(
        self,
        key: Any,
        value: Any,
        timeout: float | None = DEFAULT_TIMEOUT,
        version: int | None = None,
    ) -> bool:
        try:
            with gate.guard(*_NO_ANSWER):
                return bool(super().add(key, value, timeout, version))
        except (RedisError, GateClosed):
            return False

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> int:
        with gate.guard(*_NO_ANSWER):
            return int(super().incr(key, delta, version))

    def clear(self) -> None:
        super().clear()
        gate.open()
