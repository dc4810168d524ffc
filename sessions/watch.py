"""The process that observes the back end and moves states: one is active, others stand by.

``manage.py watch`` runs it. It keeps nothing: killed at any moment and started again, it goes
on from what the rows and the back end say.
"""

from __future__ import annotations

import fcntl
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.conf import settings
from django.db import close_old_connections, connection

from sessions.backends import BuildReport, ServerReport, get_backend
from sessions.errors import TemporaryError
from sessions.lifecycle import facts
from sessions.models import Heartbeat
from sessions.reconcile import reconcile, refresh_sign_ins

log = logging.getLogger(__name__)

NAME = "watch"
LOCK = 0x62696E64657279  # "bindery": the number of the advisory lock
BEAT = 5.0
RECONCILE = 60.0
BREAK = timedelta(seconds=6 * BEAT)
"""Without a sign of life for so long, watch is taken for dead."""


def is_alive() -> bool:
    """Whether some watch process is at work."""
    return Heartbeat.objects.is_alive(NAME, within=BREAK)


def run() -> None:
    """Watch for ever, once no other process does."""
    with _alone():
        log.info("watching")
        every = {_beat: BEAT, refresh_sign_ins: BEAT, reconcile: RECONCILE}
        due = dict.fromkeys(every, 0.0)
        for report in get_backend().changes():
            _guarded(_take, report)
            for chore, pause in every.items():
                if time.monotonic() >= due[chore]:
                    due[chore] = time.monotonic() + pause
                    _guarded(chore)


def _guarded(work: Callable[..., None], *arguments: object) -> None:
    """A failure of one thing must not keep the others from being looked at."""
    try:
        work(*arguments)
    except TemporaryError as error:
        log.warning("%s is tried again: %s", getattr(work, "__name__", work), error)
    except Exception:
        log.exception("%s failed; it is tried again", getattr(work, "__name__", work))


def _take(report: BuildReport | ServerReport | None) -> None:
    if isinstance(report, BuildReport):
        facts.build_seen(report)
    elif isinstance(report, ServerReport):
        facts.server_seen(report)


def _beat() -> None:
    close_old_connections()
    Heartbeat.objects.beat(NAME, within=BREAK)


@contextmanager
def _alone() -> Iterator[None]:
    """Wait for the lock that only one watch process holds; it ends with the process."""
    if connection.vendor == "postgresql":
        # A connection of its own, so that a reconnection of the other one keeps the lock.
        holder = connection.copy()
        with holder.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        yield
        holder.close()
    else:
        with (settings.PORTAL_DATA / "watch.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
