"""Let one watch process be active while others stand by: a lock that ends with its process.

On PostgreSQL the lock belongs to a connection, so a restart of the server releases it, and whoever
comes first gets it. With any other database the data folder is on one machine, and the kernel keeps
the lock.
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
    """Wait for the lock and hold it.

    Yield a function to call regularly: it takes a lost lock again, or ends the process if another
    one has the lock by then.
    """
    if connection.vendor == "postgresql":
        # A connection of its own: the lock survives when Django's connection is reopened.
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
    """Do nothing: the kernel keeps the lock."""


class Holder:
    """Holds the lock through a connection that does nothing else."""

    def __init__(self, own: BaseDatabaseWrapper) -> None:
        self._own = own

    def wait(self) -> None:
        """Return once nobody else has the lock."""
        self._ask("SELECT pg_advisory_lock(%s)")

    def keep(self) -> None:
        """Take the lock again if it was lost.

        Raises `SystemExit` if another process has it, `OperationalError` while the database is
        away.
        """
        if self._has_it():
            return
        self.close()
        if not self._ask("SELECT pg_try_advisory_lock(%s)"):
            raise SystemExit("Another watch has taken over.")
        log.warning("the database was away; watching goes on")

    def _has_it(self) -> bool:
        """Return whether the connection that took the lock is still the same, and open."""
        try:
            return self._own.connection is not None and bool(self._ask("SELECT %s"))
        except (OperationalError, InterfaceError):
            return False

    def close(self) -> None:
        """Close the connection, which releases the lock."""
        self._own.close()

    def _ask(self, question: str) -> object:
        with self._own.cursor() as cursor:
            cursor.execute(question, [LOCK])
            return cursor.fetchone()[0]
