"""Let one watch process lead, while the others stand by (`leader_lock`).

On PostgreSQL, the lock belongs to a connection, so it ends with its process, and whoever comes
first gets it. A leader that is frozen, or whose machine is lost, keeps that connection. So it also
renews a row every few seconds, and another takes over from one that does not (`Leadership`). With
any other database the data folder is on one machine, and the kernel keeps the lock.
"""

from __future__ import annotations

import fcntl
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper

from sessions.models import HeartbeatName
from sessions.outages import run_safely

log = logging.getLogger(__name__)

LOCK = 0x62696E64657279  # "bindery" as a number, for the advisory lock
LEASE_SECONDS = 20.0
"""A leader whose row has not changed for this long counts as lost."""
RENEW_SECONDS = 5.0
LOOK_SECONDS = 0.5
"""Seconds between a standby's looks at the lock and the row."""


@contextmanager
def leader_lock(alive: Callable[[], object] = bool) -> Iterator[Callable[[], None]]:
    """Wait for the lock and hold it; call ``alive`` regularly while waiting on PostgreSQL.

    Yield a function to call before anything is done: it takes a lost lock again, or ends the
    process if another one has the lock by then.
    """
    if connection.vendor == "postgresql":
        # A connection of its own: the lock survives when Django's connection is reopened.
        with Leadership(connection.copy(), alive=alive) as mine:
            yield mine.ensure_held
    else:
        with (settings.PORTAL_DATA / "watch.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield _keep


def _keep() -> None:
    """Do nothing: the kernel keeps the lock."""


class AdvisoryLock:
    """Holds the lock through a connection that does nothing else.

    A pooler, such as PgBouncer, may give the connection's session to others after each statement:
    there is no such lock then, and only the row counts.
    """

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._own = connection

    def is_pooled(self) -> bool:
        """Return whether a pooler is in between: the server's process is not the one it names."""
        actual = self._ask("SELECT pg_backend_pid()")
        return bool(actual != self._own.connection.info.backend_pid)

    def try_acquire(self) -> bool:
        """Take the lock, and return whether nobody else had it."""
        return bool(self._ask("SELECT pg_try_advisory_lock(%s)", LOCK))

    def end_holder(self) -> None:
        """End the connection that has the lock, which its process does not use any more."""
        self._ask(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_locks"
            " WHERE locktype = 'advisory' AND granted AND pid <> pg_backend_pid()"
            " AND (classid::bigint << 32 | objid::bigint) = %s AND objsubid = 1"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
            LOCK,
        )

    def ensure_held(self) -> None:
        """Take the lock again if it was lost.

        Raises `SystemExit` if another process has it, `OperationalError` while the database is
        away.
        """
        if self._is_held():
            return
        self.close()
        if not self.try_acquire():
            self.close()
            raise SystemExit("Another watch has taken over.")
        log.warning("the database was unavailable; watching continues")

    def _is_held(self) -> bool:
        """Return whether the connection that took the lock is still the same, and open."""
        try:
            return self._own.connection is not None and bool(self._ask("SELECT %s", LOCK))
        except (OperationalError, InterfaceError):
            return False

    def close(self) -> None:
        """Close the connection, which releases the lock."""
        self._own.close()

    def _ask(self, question: str, *parameters: Any) -> object:
        with self._own.cursor() as cursor:
            cursor.execute(question, list(parameters))
            return cursor.fetchone()[0]


Row = tuple[datetime, datetime]


class Lease:
    """The row that the leader renews: ``since`` tells its holders apart, ``at`` changes.

    No clock is compared with another one: whether the row changes is what counts.
    """

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._own = connection
        self._mine: datetime | None = None

    def row(self) -> Row | None:
        """Return the row as it is now, or None if nobody leads."""
        return self._ask(
            "SELECT since, at FROM notebook_sessions_heartbeat WHERE name = %s", _LEADER
        )

    def take(self, seen: Row | None) -> bool:
        """Make the row ours unless it has changed since it was seen; return whether it is."""
        if seen is None:
            found = self._ask(
                "INSERT INTO notebook_sessions_heartbeat (name, since, at)"
                " VALUES (%s, clock_timestamp(), clock_timestamp())"
                " ON CONFLICT DO NOTHING RETURNING since, at",
                _LEADER,
            )
        else:
            found = self._ask(
                "UPDATE notebook_sessions_heartbeat"
                " SET since = clock_timestamp(), at = clock_timestamp()"
                " WHERE name = %s AND since = %s AND at = %s RETURNING since, at",
                *(_LEADER, *seen),
            )
        self._mine = found and found[0]
        return found is not None

    def renew(self) -> bool:
        """Return whether the row is still ours; if so, renew it."""
        renewed = self._ask(
            "UPDATE notebook_sessions_heartbeat SET at = clock_timestamp()"
            " WHERE name = %s AND since = %s RETURNING since, at",
            *(_LEADER, self._mine),
        )
        return renewed is not None or (self.row() is None and self.take(None))

    def release(self) -> None:
        """Remove the row if it is ours, so that nobody waits until it is too old."""
        self._ask(
            "DELETE FROM notebook_sessions_heartbeat"
            " WHERE name = %s AND since = %s RETURNING since, at",
            *(_LEADER, self._mine),
        )

    def _ask(self, statement: str, *parameters: Any) -> Row | None:
        with self._own.cursor() as cursor:
            cursor.execute(statement, parameters)
            found: Row | None = cursor.fetchone()
        return found


_LEADER = HeartbeatName.LEADER.value


class Leadership:
    """The right to lead, by both the lock and the row; as a context, it is waited for and held.

    A process that ends frees the lock at once. One that is frozen or cut off does not renew the
    row: after ``seconds`` the first standby ends its connection. Through a pooler the row alone
    decides. A thread renews it, because what watch does may take longer.
    """

    def __init__(
        self,
        connection: BaseDatabaseWrapper,
        *,
        seconds: float = LEASE_SECONDS,
        renew_seconds: float = RENEW_SECONDS,
        alive: Callable[[], object] = bool,
    ) -> None:
        connection.inc_thread_sharing()
        self._lock, self._lease = AdvisoryLock(connection), Lease(connection)
        self._seconds, self._renew_seconds = seconds, renew_seconds
        self._alive = alive
        self._is_pooled = False
        self._held_at = 0.0
        self._one_by_one = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="leader", daemon=True)

    def __enter__(self) -> Leadership:
        self._is_pooled = self._lock.is_pooled()
        seen, changed = self._lease.row(), time.monotonic()
        while not (self._may_take(seen, time.monotonic() - changed) and self._lease.take(seen)):
            self._alive()
            time.sleep(LOOK_SECONDS)
            if (row := self._lease.row()) != seen:
                seen, changed = row, time.monotonic()
        self._held_at = time.monotonic()
        self._thread.start()
        return self

    def __exit__(self, *why: object) -> None:
        self._ended.set()
        with self._one_by_one:
            with suppress(OperationalError, InterfaceError):  # then the row will soon be too old
                self._lease.release()
            self._lock.close()

    def _may_take(self, seen: Row | None, unchanged: float) -> bool:
        is_lost = unchanged >= self._seconds
        if self._is_pooled:
            return seen is None or is_lost
        if self._lock.try_acquire():
            return True
        if is_lost:
            log.warning("the leading watch has not been alive for %d s: taking over", unchanged)
            self._lock.end_holder()
        return False

    def ensure_held(self) -> None:
        """Return at once while it was confirmed lately; otherwise confirm it, and raise as that."""
        if time.monotonic() - self._held_at >= self._seconds / 2:
            self._confirm()

    def _confirm(self) -> None:
        """Renew the row, and take a lost lock again.

        Raises `SystemExit` if another process leads, `OperationalError` while the database is away.
        """
        with self._one_by_one:
            if self._ended.is_set():
                return
            if not self._is_pooled:
                self._lock.ensure_held()
            if not self._lease.renew():
                self._lock.close()
                raise SystemExit("Another watch has taken over.")
            self._held_at = time.monotonic()

    def _renew(self) -> None:
        while not self._ended.wait(self._renew_seconds):
            try:
                run_safely(self._confirm)
            except SystemExit:
                self._held_at = float("-inf")  # the process ends with its next look
                return
