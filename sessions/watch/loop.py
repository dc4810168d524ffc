"""Run the process that observes the back end and moves states: one is active, others stand by.

``manage.py watch`` starts it. It keeps no state: killed at any moment and started again, it
continues from what the rows and the back end say.
"""

from __future__ import annotations

import logging
import time

from django.db import close_old_connections

from portal.lib.logs import context
from sessions.backends import BuildReport, ServerReport, get_backend
from sessions.culling.activity import Rounds
from sessions.culling.cull import cull
from sessions.installation import ownership
from sessions.lifecycle import observations
from sessions.models import Heartbeat, Sign
from sessions.models.operations import WATCH_BREAK
from sessions.outages import guarded
from sessions.statistics import counters

from . import conditions
from .leader import alone
from .reconcile import Alert, reconcile, refresh_sign_ins

log = logging.getLogger(__name__)

BEAT = 5.0
RECONCILE = 60.0


def run(alert: Alert) -> None:
    """Watch for ever, once no other process does. ``alert`` is called once a minute."""

    def reconcile_all() -> None:
        reconcile(alert=alert)

    with alone() as keep:
        log.info("watching")
        every = {
            _beat: BEAT,
            keep: BEAT,
            refresh_sign_ins: BEAT,
            Rounds().keep_up: BEAT,
            conditions.look: conditions.PAUSE,
            reconcile_all: RECONCILE,
            cull: RECONCILE,
            counters.count: counters.PAUSE,
        }
        due = dict.fromkeys(every, 0.0)
        missed = False  # a report that the back end will not repeat
        for chore in (ownership.look, ownership.mark_all):
            guarded(chore)
        follower = ownership.Follower()
        for report in get_backend().changes():
            with context.about(**_numbers(report)):
                missed |= not guarded(_take, report, follower)
            for chore, pause in every.items():
                if time.monotonic() >= due[chore]:
                    due[chore] = time.monotonic() + pause
                    if guarded(chore) and chore is _beat and missed:
                        due[reconcile_all], missed = 0.0, False


def _numbers(report: BuildReport | ServerReport | None) -> dict[str, int]:
    if report is None:
        return {}
    return {"build" if isinstance(report, BuildReport) else "session": report.id}


def _take(report: BuildReport | ServerReport | None, follower: ownership.Follower) -> None:
    if report is None or not follower.may():
        return
    if isinstance(report, BuildReport):
        observations.build_seen(report)
    else:
        observations.server_seen(report)


def _beat() -> None:
    close_old_connections()
    Heartbeat.objects.beat(Sign.WATCH, within=WATCH_BREAK)
