"""Only one watch is active: one that has lost the lock to another stops, and ends what it does."""

from __future__ import annotations

import fcntl
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import InterfaceError, OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper

from sessions.models import Heartbeat, HeartbeatName
from sessions.outages import run_safely
from sessions.watch import loop
from sessions.watch.leader import LOCK, AdvisoryLock, Leadership, leader_lock
from tests.faults import NONE, SILENT, FaultyProxy
from tests.pauses import looked


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
    assert holder.try_acquire()
    return holder


def test_the_lock_holder_continues(active, server):
    mine = server.holder
    for _time in range(3):
        active.ensure_held()
    assert server.holder is mine


def test_a_watch_that_lost_the_lock_to_another_exits(active, server):
    server.restart()
    other = AdvisoryLock(Connection(server))  # type: ignore[arg-type]
    assert other.try_acquire()
    theirs = server.holder
    with pytest.raises(SystemExit, match="taken over"):
        active.ensure_held()
    assert server.holder is theirs
    other.ensure_held()


def test_losing_the_lock_exits_even_inside_run_safely(active, server):
    """Everything that watch does is guarded, this too."""
    server.restart()
    assert AdvisoryLock(Connection(server)).try_acquire()  # type: ignore[arg-type]
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
        until = time.monotonic() + 10
        while connection.vendor == "postgresql" and time.monotonic() < until:
            time.sleep(0.1)
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
        held = f"FROM pg_locks WHERE locktype = 'advisory' AND database = {OURS}"
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


# --- On PostgreSQL, where a leader can be lost without its connection ---
SECONDS, RENEW_SECONDS = 2.0, 0.2
OURS = "(SELECT oid FROM pg_database WHERE datname = current_database())"
on_postgresql = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="a file's lock needs no lease: it is on one machine"
)


def connected(port: int = 0) -> BaseDatabaseWrapper:
    """Return a connection of its own, by way of a proxy if there is a port."""
    own = connection.copy()
    if port:
        own.settings_dict = {**own.settings_dict, "HOST": "127.0.0.1", "PORT": str(port)}
    return own


def standby(port: int = 0) -> Leadership:
    return Leadership(connected(port), seconds=SECONDS, renew_seconds=RENEW_SECONDS)


def lock_holders() -> int:
    held = f"objid = {LOCK & 0xFFFFFFFF} AND database = {OURS}"
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM pg_locks WHERE {held}")
        return int(cursor.fetchone()[0])


@pytest.fixture
def proxy() -> Iterator[FaultyProxy]:
    there = connection.settings_dict
    with FaultyProxy((there["HOST"], int(there["PORT"]))) as proxy:
        yield proxy


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_another_leads_soon_after_the_leaders_packets_are_dropped(proxy):
    with standby(proxy.port) as lost:
        proxy.fault = SILENT
        begun = time.monotonic()
        with standby():
            assert time.monotonic() - begun < 5 * SECONDS
            proxy.fault = NONE
            with pytest.raises(SystemExit, match="taken over"):
                looked(lost.ensure_held, 5)


@on_postgresql
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
@pytest.mark.django_db(transaction=True)
def test_another_leads_soon_after_the_leader_freezes_and_that_one_exits():
    ready, tell = os.pipe()
    child = os.fork()
    if not child:
        try:
            with standby() as frozen:
                os.write(tell, b"leads")
                looked(frozen.ensure_held, 20)
        except SystemExit:
            os._exit(3)
        os._exit(0)
    try:
        assert os.read(ready, 5) == b"leads"
        os.kill(child, signal.SIGSTOP)
        begun = time.monotonic()
        with standby():
            assert time.monotonic() - begun < 5 * SECONDS
            os.kill(child, signal.SIGCONT)
            _pid, status = os.waitpid(child, 0)
            child = 0
            assert os.waitstatus_to_exitcode(status) == 3
    finally:
        if child:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_leader_that_is_busy_for_long_stays_the_leader():
    takes = threading.Event()

    def stand_by() -> None:
        with standby():
            takes.set()

    with standby() as busy:
        second = threading.Thread(target=stand_by, daemon=True)
        second.start()
        assert not takes.wait(1.5 * SECONDS)
        busy.ensure_held()
    assert takes.wait(30)
    second.join(10)


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_through_a_pooler_only_the_row_decides(proxy):
    proxy.alter = name_another_process
    with standby(proxy.port) as leads:
        assert leads._lock.is_pooled()
        looked(lambda: not lock_holders(), 5)  # those of the test before end by themselves
        assert lock_holders() == 0
        proxy.fault = SILENT
        with standby():
            assert Heartbeat.objects.filter(name=HeartbeatName.LEADER).exists()
            proxy.fault = NONE
            with pytest.raises(SystemExit, match="taken over"):
                looked(leads.ensure_held, 5)
    assert not Heartbeat.objects.filter(name=HeartbeatName.LEADER).exists()


def name_another_process(answer: bytes) -> bytes:
    """Change the number of the server's process in the message that begins a connection."""
    begin = b"K\0\0\0\x0c"
    where = answer.find(begin)
    if where < 0:
        return answer
    where += len(begin)
    return answer[:where] + b"\0\0\0\7" + answer[where + 4 :]


@on_postgresql
@pytest.mark.django_db(transaction=True)
def test_standby_gives_signs_of_life_of_its_own():
    signs: list[float] = []

    def stand_by() -> None:
        with Leadership(connected(), alive=lambda: signs.append(time.monotonic())):
            pass

    with standby():
        second = threading.Thread(target=stand_by, daemon=True)
        second.start()
        assert looked(lambda: len(signs) > 1, 10)
    second.join(10)
