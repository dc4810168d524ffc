"""Do work that waits for slow servers in threads, a few for each server and person.

A worker does one task after another, and all workers together four at once: forty launches from a
server that never answers held up every other task for as long. In threads many such waits are under
way at once, but only a few for one server and one person; beyond that, work waits only for other
work for the same server or person.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Hashable
from contextvars import copy_context
from dataclasses import dataclass
from threading import Lock, Thread

from django.db import connections

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Work:
    """One piece of work.

    ``key`` identifies it: work that is waiting or under way already is not taken twice.
    """

    key: Hashable
    host: str
    person: Hashable
    run: Callable[[], object]


class ThreadPool:
    """At most ``max_threads`` threads in this process.

    At most ``max_per_host`` of them are for one server, at most ``max_per_user`` for one person.
    """

    def __init__(self, max_threads: int, max_per_host: int, max_per_user: int) -> None:
        self._max_threads = max_threads
        self._max_per_host, self._max_per_user = max_per_host, max_per_user
        self._lock = Lock()
        self._waiting: dict[Hashable, tuple[Work, Callable[[], object]]] = {}
        self._running: dict[Hashable, Work] = {}

    def submit(self, work: Work) -> None:
        """Have the work done as soon as there is room; return at once.

        An error in it is logged. The thread's database connections are closed afterwards.
        """
        with self._lock:
            if work.key in self._waiting or work.key in self._running:
                return
            context = copy_context()  # so that log lines keep the task's fields
            self._waiting[work.key] = (work, lambda: context.run(work.run))
            self._begin()

    def _begin(self) -> None:
        """Begin all the work there is room for, in order of arrival; the caller holds the lock."""
        hosts = Counter(work.host for work in self._running.values())
        people = Counter(work.person for work in self._running.values())
        for key, (work, do) in list(self._waiting.items()):
            if len(self._running) >= self._max_threads:
                return
            if hosts[work.host] >= self._max_per_host or people[work.person] >= self._max_per_user:
                continue
            del self._waiting[key]
            self._running[key] = work
            hosts[work.host] += 1
            people[work.person] += 1
            # Not a daemon: a worker that has done its share of tasks exits after these finish.
            Thread(target=self._run, args=(work, do), name=f"pool-{key}", daemon=False).start()

    def _run(self, work: Work, do: Callable[[], object]) -> None:
        try:
            do()
        except Exception:
            log.exception("work in a thread pool failed")
        finally:
            connections.close_all()  # this thread's
            with self._lock:
                del self._running[work.key]
                self._begin()
