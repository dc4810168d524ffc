"""Run the process that observes the back end and moves states: one is active, others stand by.

``manage.py watch`` starts it. It keeps no state: killed at any moment and started again, it
continues from what the rows and the back end say.

A lock that ends with its process lets one be active (`leader_lock`). On PostgreSQL the lock belongs
to a connection, so a restart of the server releases it, and whoever comes first gets it. With any
other database the data folder is on one machine, and the kernel keeps the lock.
"""

from __future__ import annotations

import fcntl
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import InterfaceError, OperationalError, close_old_connections, connection
from django.db.backends.base.base import BaseDatabaseWrapper

from sessions.backends import BuildReport, ServerReport, get_backend
from sessions.culling.activity import ProbeLoop
from sessions.culling.cull import cull
from sessions.installation import ownership
from sessions.models import Heartbeat, HeartbeatName
from sessions.models.operations import WATCH_TIMEOUT
from sessions.outages import run_safely
from sessions.statistics import counters

from . import conditions, kernels
from .handling import handle_safely
from .reconcile import Alert, reconcile, refresh_sign_ins

log = logging.getLogger(__name__)

LOCK = 0x62696E64657279  # "bindery" as a number, for the advisory lock


@contextmanager
def leader_lock() -> Iterator[Callable[[], None]]:
    """Wait for the lock and hold it.

    Yield a function to call regularly: it takes a lost lock again, or ends the process if another
    one has the lock by then.
    """
    if connection.vendor == "postgresql":
        # A connection of its own: the lock survives when Django's connection is reopened.
        holder = AdvisoryLock(connection.copy())
        holder.acquire()
        try:
            yield holder.ensure_held
        finally:
            holder.close()
    else:
        with (settings.PORTAL_DATA / "watch.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield _keep


def _keep() -> None:
    """Do nothing: the kernel keeps the lock."""


class AdvisoryLock:
    """Holds the lock through a connection that does nothing else."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._own = connection

    def acquire(self) -> None:
        """Return once nobody else has the lock."""
        self._ask("SELECT pg_advisory_lock(%s)")

    def ensure_held(self) -> None:
        """Take the lock again if it was lost.

        Raises `SystemExit` if another process has it, `OperationalError` while the database is
        away.
        """
        if self._is_held():
            return
        self.close()
        if not self._ask("SELECT pg_try_advisory_lock(%s)"):
            raise SystemExit("Another watch has taken over.")
        log.warning("the database was unavailable; watching continues")

    def _is_held(self) -> bool:
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


BEAT_SECONDS = 5.0
RECONCILE_SECONDS = 60.0
RETRY_SECONDS = 1.0


def run(alert: Alert) -> None:
    """Watch for ever, once no other process does. ``alert`` is called once a minute."""

    def reconcile_all() -> None:
        reconcile(alert=alert)

    with leader_lock() as keep, kernels.checks.running():
        log.info("watching")
        every = {
            _beat: BEAT_SECONDS,
            keep: BEAT_SECONDS,
            refresh_sign_ins: BEAT_SECONDS,
            ProbeLoop().run_if_due: BEAT_SECONDS,
            conditions.record_all: conditions.PAUSE,
            reconcile_all: RECONCILE_SECONDS,
            cull: RECONCILE_SECONDS,
            counters.count: counters.PAUSE,
        }
        due = dict.fromkeys(every, 0.0)
        missed = False  # a report that the back end will not repeat
        for chore in (ownership.check_and_record, ownership.mark_all):
            run_safely(chore)
        ownership_check = ownership.OwnershipCheck()
        for report in _changes():
            missed |= not _handle(report, ownership_check)
            for chore, pause in every.items():
                if time.monotonic() >= due[chore]:
                    due[chore] = time.monotonic() + pause
                    if run_safely(chore) and chore is _beat and missed:
                        due[reconcile_all], missed = 0.0, False


def _changes() -> Iterator[BuildReport | ServerReport | None]:
    """Yield the back end's changes; begin again if they cannot be read, so that chores go on."""
    while True:
        try:
            yield from get_backend().changes()
        except Exception:
            log.exception("the back end's changes could not be read; trying again")
            time.sleep(RETRY_SECONDS)
            yield None
        else:
            return


def _handle(
    report: BuildReport | ServerReport | None, ownership_check: ownership.OwnershipCheck
) -> bool:
    """Handle a report; return whether that is over."""
    if report is None:
        return True
    found: list[bool] = []
    if not run_safely(lambda: found.append(ownership_check.is_ours())):
        return False
    return handle_safely(report) if found[0] else True


def _beat() -> None:
    close_old_connections()
    Heartbeat.objects.beat(HeartbeatName.WATCH, within=WATCH_TIMEOUT)
