"""Work that waits for strangers' servers, in threads beside a worker's short tasks.

A worker does one task after another, and all workers together four at once: forty launches from a
server that never answers held every other launch up for as long. In a lane many such waits are
under way at once, of one server and of one person only a few, and who is over that waits for their
own alone.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass
from threading import Lock, Thread

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Work:
    """``key`` tells it from others: what is waiting or under way already is not taken twice."""

    key: int
    host: str
    person: int
    do: Callable[[], None]


class Lane:
    """``at_once`` threads of this process at most; ``of_host`` of them for one server, and
    ``of_person`` for one person."""

    def __init__(self, at_once: int, of_host: int, of_person: int) -> None:
        self._at_once, self._of_host, self._of_person = at_once, of_host, of_person
        self._lock = Lock()
        self._waiting: dict[int, tuple[Work, Callable[[], None]]] = {}
        self._under_way: dict[int, Work] = {}

    def take(self, work: Work) -> None:
        """Have it done as soon as there is room; returns at once."""
        with self._lock:
            if work.key in self._waiting or work.key in self._under_way:
                return
            context = copy_context()  # its lines in the log are those of the task
            self._waiting[work.key] = (work, lambda: context.run(work.do))
            self._begin()

    def _begin(self) -> None:
        """Begin whatever there is room for, in the order in which it came; the caller locks."""
        hosts = Counter(work.host for work in self._under_way.values())
        people = Counter(work.person for work in self._under_way.values())
        for key, (work, do) in list(self._waiting.items()):
            if len(self._under_way) >= self._at_once:
                return
            if hosts[work.host] >= self._of_host or people[work.person] >= self._of_person:
                continue
            del self._waiting[key]
            self._under_way[key] = work
            hosts[work.host] += 1
            people[work.person] += 1
            # Not a daemon: a worker that has done its share of tasks ends when these have ended.
            Thread(target=self._run, args=(work, do), name=f"lane-{key}", daemon=False).start()

    def _run(self, work: Work, do: Callable[[], None]) -> None:
        try:
            do()
        except Exception:
            log.exception("what a lane was given failed")
        finally:
            with self._lock:
                del self._under_way[work.key]
                self._begin()
