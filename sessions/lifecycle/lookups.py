"""Find a launch's commit and its build: the first step of the worker, in a thread of its own.

A worker does one task after another, and all workers together four at once: forty launches from a
server that never answers held up every other launch for as long. In a pool many such waits are
under way at once, but only a few for one server and one person; beyond that, a launch waits only
for others from the same server or person.

Where no server has to be asked, `prepare` does the work itself, like any other short task. As with
all `steps`, it changes nothing more if it is run twice, or twice at the same time.
"""

from __future__ import annotations

import hashlib
import logging
from collections import Counter
from collections.abc import Callable, Hashable
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from threading import Lock, Thread
from urllib.parse import urlsplit

from django.conf import settings
from django.core.cache import cache
from django.db import connections

from quotas.limits import limits_of
from sessions.git.resolve import ResolvedRef, require_reachable, resolve
from sessions.lifecycle import admission, sshkey
from sessions.lifecycle.builds import attach_build
from sessions.lifecycle.ending import handle_failures
from sessions.models import Build, Project, RepositoryRule, Session
from sessions.providers import Repository
from sessions.states import SessionState

_A_DAY = 86_400

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Lookup:
    """One piece of work of the pool.

    ``key`` identifies it: work that is waiting or under way already is not taken twice.
    """

    key: Hashable
    host: str
    person: Hashable
    run: Callable[[], None]


class LookupPool:
    """A pool of at most ``max_threads`` threads in this process.

    At most ``max_per_host`` of them are for one server, at most ``max_per_user`` for one person.
    """

    def __init__(self, max_threads: int, max_per_host: int, max_per_user: int) -> None:
        self._max_threads = max_threads
        self._max_per_host, self._max_per_user = max_per_host, max_per_user
        self._lock = Lock()
        self._waiting: dict[Hashable, tuple[Lookup, Callable[[], None]]] = {}
        self._running: dict[Hashable, Lookup] = {}

    def submit(self, lookup: Lookup) -> None:
        """Have the work done as soon as there is room; return at once."""
        with self._lock:
            if lookup.key in self._waiting or lookup.key in self._running:
                return
            context = copy_context()  # so that log lines keep the task's fields
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
            # Not a daemon: a worker that has done its share of tasks exits after these finish.
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
"""Limits for each of the four worker processes: a launch takes two seconds on a healthy server, and
at most fifty on one that is not.
"""

_pool = LookupPool(MAX_THREADS, MAX_PER_HOST, MAX_PER_USER)


def prepare(session_id: int) -> None:
    """Find the commit of a waiting session, and find or start the build of that commit.

    Return at once if a server has to be asked for it; a thread then does the work.
    """
    session = _waiting_session(session_id)
    if session is None:
        return
    if settings.IN_WORKER and _needs_server(session):
        project = session.project
        host = urlsplit(project.url).hostname or ""
        find = partial(_find_build_in_thread, session_id)
        _pool.submit(Lookup(session_id, host, project.owner_id, find))
    else:
        _find_build(session)


def _waiting_session(session_id: int) -> Session | None:
    rows = Session.objects.filter(pk=session_id, state=SessionState.WAITING, build=None)
    return rows.select_related("project__owner").first()


def _needs_server(session: Session) -> bool:
    """Return whether the repository's server may have to be asked for something.

    That is: which commit it is, what it holds, or whether it is the repository's own.
    """
    project = session.project
    named = project.ref == project.commit or project.ref.startswith("refs/")
    return (
        session.force_build or named or admission.stored_contents(project, project.commit) is None
    )


def _find_build_in_thread(session_id: int) -> None:
    try:
        if session := _waiting_session(session_id):  # unless it was stopped in the meantime
            _find_build(session)
    finally:
        connections.close_all()  # this thread's connections


def _find_build(session: Session) -> None:
    """Find the commit, and find or start its build; what fails is told to the person."""
    project = session.project
    with handle_failures(session):
        if session.force_build or not project.commit:
            repository = Repository(
                project.provider,
                project.repository,
                project.url,
                project.ref,
                project.path,
                ambiguous_tail=project.tail,
            )
            found = resolve(repository, sshkey.fetch_identity(project))
        else:
            found = ResolvedRef(project.commit, project.ref, project.path)
        _require_own_commit(project, found)
        contents = admission.read_contents(project, found)
        wanted, warnings = admission.within_limits(contents.resources, limits_of(project.owner))
        attach_build(session, found, contents, wanted, warnings)


def _require_own_commit(project: Project, found: ResolvedRef) -> None:
    """Check that the commit is the repository's own, where rules allow only certain repositories.

    A commit found under a branch or a tag is the repository's own, and stays so for a day. One
    found under another ref may be anybody's, such as a pull request's. Raises `UserError` if the
    commit may belong to another repository.
    """
    is_named = found.ref != found.commit and not found.ref.startswith("refs/")
    if is_named or not RepositoryRule.objects.exists():
        return
    builds = Build.objects.usable_by(project).filter(commit=found.commit)
    whose = project.owner_id if project.is_private else None
    digest = hashlib.sha256(repr((project.url, found.commit, whose)).encode()).hexdigest()
    known = f"own-commit:{digest}"
    own = builds.exclude(ref=found.commit).exclude(ref__startswith="refs/")
    if cache.get(known) or own.exists():
        return
    require_reachable(project.url, found.commit, sshkey.fetch_identity(project))
    cache.set(known, True, _A_DAY)
