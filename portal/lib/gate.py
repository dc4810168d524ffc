"""A gate before a service outside of the portal, so that its trouble stays its own.

Only a few calls of a process wait for the service at once, and after one that got no answer, or got
it too late, nobody waits for it for a moment. Whoever does not get through raises `GateClosed` at
once, and goes on as if the service did not answer. One call then tries whether it is back.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

log = logging.getLogger(__name__)


class GateClosed(ConnectionError):
    """Raised instead of a call: the service did not answer a moment ago, or enough wait for it."""


@dataclass
class Gate:
    """The gate before one service; there is one for all threads of a process.

    ``name`` is for the log. At most ``max_waiting`` calls are under way at once. After a failure,
    none begins for ``pause`` seconds; an answer that took more than ``max_seconds`` counts as one.
    """

    name: str
    pause: float
    max_waiting: int
    max_seconds: float = math.inf
    clock: Callable[[], float] = time.monotonic
    _lock: Lock = field(default_factory=Lock, repr=False)
    _waiting: int = 0
    _closed_until: float = 0.0

    @contextmanager
    def guard(self, *errors: type[Exception]) -> Iterator[None]:
        """Let one call through; ``errors`` are those that mean that nobody has answered.

        Raises `GateClosed`.
        """
        self._enter()
        began, failure = self.clock(), ""
        try:
            yield
        except errors as error:
            failure = str(error) or type(error).__name__
            raise
        finally:
            if not failure and self.clock() - began > self.max_seconds:
                failure = "it answers too slowly"
            self._leave(failure)

    def open(self) -> None:
        """Let calls through again: the service has answered."""
        with self._lock:
            if self._closed_until:
                log.warning("%s answers again", self.name)
            self._closed_until = 0.0

    def _leave(self, failure: str) -> None:
        with self._lock:
            self._waiting -= 1
            if failure:
                if not self._closed_until:
                    log.warning("going on without %s: %s", self.name, failure)
                self._closed_until = self.clock() + self.pause
        if not failure:
            self.open()

    def _enter(self) -> None:
        with self._lock:
            now = self.clock()
            if now < self._closed_until or self._waiting >= self.max_waiting:
                raise GateClosed(f"{self.name} does not answer at present")
            if self._closed_until:  # only this call tries whether it is back
                self._closed_until = now + self.pause
            self._waiting += 1
