"""Look up a launch's commit in a thread of its own, beside the worker's short tasks.

A worker does one task after another, and all workers together four at once: forty launches from a
server that never answers held up every other launch for as long. In a pool many such waits are
under way at once, but only a few for one server and one person; beyond that, a launch waits only
for others from the same server or person.

`steps.prepare` does the work. Where no server has to be asked, it runs like any other short task.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from contextvars import copy_context
from dataclasses import dataclass
from threading import Lock, Thread
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connections

from sessions.lifecycle import admission, steps
from sessions.models import Project, Session
from sessions.states import SessionState

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Lookup:
    """One piece of work of the pool.

    ``key`` identifies it: work that is waiting or under way already is not taken twice.
    """

    key: int
    host: str
    person: int
    run: Callable[[], None]


class LookupPool:
    """A pool of at most ``max_threads`` threads in this process.

    At most ``max_per_host`` of them are for one server, at most ``max_per_user`` for one person.
    """

    def __init__(self, max_threads: int, max_per_host: int, max_per_user: int) -> None:
        self._max_threads = max_threads
        self._max_per_host, self._max_per_user = max_per_host, max_per_user
        self._lock = Lock()
        self._waiting: dict[int, tuple[Lookup, Callable[[], None]]] = {}
        self._running: dict[int, Lookup] = {}

    def submit(self, lookup: Lookup) -> None:
        """Have the work done as soon as there is room; return at once."""
        with self._lock:
            if lookup.key in self._waiting or lookup.key in self._running:
                return
            context = copy_context()  # log lines keep the task's fields
            self._waiting[lookup.key] = (lookup, lambda: context.run(lookup.run))
            self._begin()

    def _begin(self) -> None:
        """Begin all the work there is room for, in order of arrival; the caller holds the lock."""
        hosts = Counter(lookup.host for lookup in self._running.values())
        people = Counter(lookup.person for lookup in self._running.values())
        for key, (lookup, do) in list(self._waiting.items()):
            if len(self._running) >= self._max_threads:
                return
            if (
                hosts[lookup.host] >= self._max_per_host
                or people[lookup.person] >= self._max_per_user
            ):
                continue
            del self._waiting[key]
            self._running[key] = lookup
            hosts[lookup.host] += 1
            people[lookup.person] += 1
            # Not a daemon: a worker that has done its share of tasks ends when these have ended.
            Thread(target=self._run, args=(lookup, do), name=f"lookup-{key}", daemon=False).start()

    def _run(self, lookup: Lookup, do: Callable[[], None]) -> None:
        try:
            do()
        except Exception:
            log.exception("a lookup failed")
        finally:
            with self._lock:
                del self._running[lookup.key]
                self._begin()


MAX_THREADS, MAX_PER_HOST, MAX_PER_USER = 8, 3, 1
"""Limits for each of the four worker processes: a launch takes two seconds on a server that is
well, and at most fifty on one that is not."""

_pool = LookupPool(MAX_THREADS, MAX_PER_HOST, MAX_PER_USER)


def prepare(session_id: int) -> None:
    """Find the commit of a waiting session, and its build.

    Return at once if a server has to be asked for it; a thread then does the work.
    """
    rows = Session.objects.filter(pk=session_id, state=SessionState.WAITING, build=None)
    session = rows.select_related("project").first()
    if session is None:
        return
    if settings.IN_WORKER and _needs_server(session):
        _pool.submit(_lookup(session.pk, session.project))
    else:
        steps.prepare(session_id)


def _needs_server(session: Session) -> bool:
    """Return whether the repository's server may have to be asked for something.

    That is: which commit it is, what it holds, or whether it is the repository's own.
    """
    project = session.project
    named = project.ref == project.commit
    return (
        session.force_build or named or admission.stored_contents(project, project.commit) is None
    )


def _lookup(session_id: int, project: Project) -> Lookup:
    def do() -> None:
        try:
            steps.prepare(session_id)
        finally:
            connections.close_all()  # this thread's

    host = urlsplit(project.url).hostname or ""
    return Lookup(session_id, host, project.owner_id, do)
