"""That one watch process is active and the others stand by: a lock that ends with its process.

On PostgreSQL it belongs to a connection, so a server that is restarted loses it, and whoever comes
first has it then. Without one, the data folder is on one machine, and the kernel keeps the lock.
"""

from __future__ import annotations

import fcntl
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper

log = logging.getLogger(__name__)

LOCK = 0x62696E64657279  # "bindery": the number of the advisory lock


@contextmanager
def alone() -> Iterator[Callable[[], None]]:
    """Wait for the lock, and hold it. To be called now and then is what this gives: it takes a
    lost lock again, and ends the process where another has it by then."""
    if connection.vendor == "postgresql":
        # A connection of its own, so that a reconnection of the other one keeps the lock.
        holder = Holder(connection.copy())
        holder.wait()
        try:
            yield holder.keep
        finally:
            holder.close()
    else:
        with (settings.PORTAL_DATA / "watch.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield _keep


def _keep() -> None:
    """The kernel does."""


class Holder:
    """Holds the lock by a connection that does nothing else."""

    def __init__(self, own: BaseDatabaseWrapper) -> None:
        self._own = own

    def wait(self) -> None:
        """Return when nobody else has it."""
        self._ask("SELECT pg_advisory_lock(%s)")

    def keep(self) -> None:
        """Raises `SystemExit` where another process has the lock, `OperationalError` while nobody
        can say."""
        if self._has_it():
            return
        self.close()
        if not self._ask("SELECT pg_try_advisory_lock(%s)"):
            raise SystemExit("Another watch has taken over.")
        log.warning("the database was away; watching goes on")

    def _has_it(self) -> bool:
        """Whether the connection that took the lock is still the same, and open."""
        try:
            return self._own.connection is not None and bool(self._ask("SELECT %s"))
        except (OperationalError, InterfaceError):
            return False

    def close(self) -> None:
        self._own.close()

    def _ask(self, question: str) -> object:
        with self._own.cursor() as cursor:
            cursor.execute(question, [LOCK])
            return cursor.fetchone()[0]
