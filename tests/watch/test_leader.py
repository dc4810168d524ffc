"""Only one watch is active: one that has lost the lock to another stops, and ends what it does."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper

from sessions.outages import run_safely
from sessions.watch import loop
from sessions.watch.loop import LOCK, AdvisoryLock, leader_lock


class Server:
    """A server with PostgreSQL's advisory locks, each of which belongs to an open connection."""

    def __init__(self) -> None:
        self.holder: Connection | None = None
        self.is_away = False

    def restart(self) -> None:
        """Close all connections and release their locks."""
        if self.holder:
            self.holder.connection = None
        self.holder = None


class Connection:
    """A connection like Django's: it opens by itself when it is used, and is its own cursor."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.connection: object | None = None
        self.breaks: Exception | None = None

    @contextmanager
    def cursor(self) -> Iterator[Connection]:
        if self.server.is_away:
            raise OperationalError("the database is away")
        if self.breaks:
            error, self.breaks = self.breaks, None
            raise error
        self.connection = self.connection or object()
        yield self

    def execute(self, question: str, parameters: list[int]) -> None:
        assert parameters == [LOCK]
        free = self.server.holder in {None, self}
        if "lock" not in question:
            self.answer: Any = LOCK
            return
        assert free or "try" in question, "this would wait for ever"
        self.answer = free
        self.server.holder = self if free else self.server.holder

    def fetchone(self) -> tuple[Any]:
        return (self.answer,)

    def close(self) -> None:
        self.connection = None
        if self.server.holder is self:
            self.server.holder = None


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def active(server: Server) -> AdvisoryLock:
    holder = AdvisoryLock(Connection(server))  # type: ignore[arg-type]
    holder.acquire()
    return holder


def test_the_lock_holder_continues(active, server):
    mine = server.holder
    for _time in range(3):
        active.ensure_held()
    assert server.holder is mine


def test_a_watch_that_lost_the_lock_to_another_exits(active, server):
    server.restart()
    other = AdvisoryLock(Connection(server))  # type: ignore[arg-type]
    other.acquire()
    theirs = server.holder
    with pytest.raises(SystemExit, match="taken over"):
        active.ensure_held()
    assert server.holder is theirs
    other.ensure_held()


def test_losing_the_lock_exits_even_inside_run_safely(active, server):
    """Everything that watch does is guarded, this too."""
    server.restart()
    AdvisoryLock(Connection(server)).acquire()  # type: ignore[arg-type]
    with pytest.raises(SystemExit):
        run_safely(active.ensure_held)


def test_a_lost_lock_that_is_free_is_reacquired(active, server):
    server.restart()
    active.ensure_held()
    assert server.holder is not None


@pytest.mark.parametrize("error", [OperationalError("closed"), InterfaceError("closed")])
def test_a_broken_connection_counts_as_a_lost_lock(active, server, error):
    mine = server.holder
    mine.breaks = error
    server.holder = Connection(server)
    with pytest.raises(SystemExit):
        active.ensure_held()


def test_a_database_outage_neither_stops_watch_nor_moves_the_lock(active, server):
    server.is_away = True
    with pytest.raises(OperationalError):
        active.ensure_held()
    assert not run_safely(active.ensure_held)
    server.restart()
    server.is_away = False
    active.ensure_held()
    assert server.holder is not None


# --- The watch itself, on whichever database there is ---
@pytest.mark.django_db(transaction=True)
def test_a_second_watch_waits_for_the_first_to_end(settings, tmp_path):
    settings.PORTAL_DATA = tmp_path
    watches = threading.Event()

    def watch_beside() -> None:
        with leader_lock():
            watches.set()
        connection.close()

    with leader_lock():
        second = threading.Thread(target=watch_beside, daemon=True)
        second.start()
        assert not watches.wait(0.3)
    assert watches.wait(10)
    second.join(10)


@pytest.fixture
def other() -> Iterator[BaseDatabaseWrapper]:
    """The connection of another watch."""
    own = connection.copy()
    yield own
    own.close()


@pytest.mark.django_db(transaction=True)
def test_a_watch_whose_lock_was_taken_exits_at_its_next_pass(settings, tmp_path, backend, other):
    """As after a restart of PostgreSQL. Of a file the kernel robs nobody."""
    settings.PORTAL_DATA = tmp_path
    looks: list[bool] = []

    def changes() -> Iterator[None]:
        looks.append(rob(other, tmp_path))
        yield None
        looks.append(True)  # it goes on

    backend.changes = changes
    if connection.vendor == "postgresql":
        with pytest.raises(SystemExit, match="taken over"):
            loop.run(lambda _now: None)
        assert looks == [True]
    else:
        loop.run(lambda _now: None)
        assert looks == [False, True]
        assert rob(other, tmp_path)  # it has ended


def rob(other: BaseDatabaseWrapper, folder: Path) -> bool:
    """Take the lock of the active watch, and return whether that worked."""
    if connection.vendor == "postgresql":
        ours = "(SELECT oid FROM pg_database WHERE datname = current_database())"
        held = f"FROM pg_locks WHERE locktype = 'advisory' AND database = {ours}"
        with other.cursor() as cursor:
            cursor.execute(f"SELECT pg_terminate_backend(pid) {held}")
            cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        return True
    with (folder / "watch.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
