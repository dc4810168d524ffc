"""Run the process that observes the back end and moves states: one is active, others stand by.

``manage.py watch`` starts it. It keeps no state: killed at any moment and started again, it
continues from what the rows and the back end say. `leader` decides which one is active.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator

from django.db import close_old_connections

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
from .leader import leader_lock
from .reconcile import Alert, reconcile, refresh_sign_ins

log = logging.getLogger(__name__)

BEAT_SECONDS = 5.0
RECONCILE_SECONDS = 60.0
RETRY_SECONDS = 1.0


def run(alert: Alert, alive: Callable[[], object] = bool) -> None:
    """Watch for ever, once no other process does.

    ``alert`` is called once a minute, ``alive`` every few seconds, while it stands by as well.
    """

    def reconcile_all() -> None:
        reconcile(alert=alert)

    with leader_lock(alive) as keep, kernels.checks.running():
        log.info("watching")
        every: dict[Callable[[], object], float] = {
            alive: BEAT_SECONDS,
            _beat: BEAT_SECONDS,
            refresh_sign_ins: BEAT_SECONDS,
            ProbeLoop().run_if_due: BEAT_SECONDS,
            conditions.record_all: conditions.PAUSE,
            reconcile_all: RECONCILE_SECONDS,
            cull: RECONCILE_SECONDS,
            counters.count: counters.PAUSE,
        }
        due = dict.fromkeys(every, 0.0)
        missed = False  # a report that the back end will not repeat
        run_safely(ownership.check_and_record)
        run_safely(ownership.mark_all)
        ownership_check = ownership.OwnershipCheck()
        for report in _changes():
            missed |= not (run_safely(keep) and _handle(report, ownership_check))
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
