"""Handle what watch has seen, so that no observation holds up another or repeats for ever.

An error that passes by itself (a disk, the database, another service) leaves the observation for
the next look. Any other error may be the observation's own fault: it gets one more try, within a
minute, and then its build or notebook fails with a reference to the log, and the back end drops it.
"""

from __future__ import annotations

import logging

from portal.lib.logs import context
from sessions import outages
from sessions.backends import BuildReport, ServerReport
from sessions.backends.unreadable import CODE, unreadable_message
from sessions.lifecycle import observations
from sessions.outages import run_safely

from . import kernels

MAX_TRIES = 2
MAX_REMEMBERED = 10_000
"""Observations that failed once and were not seen again; the oldest are forgotten."""

Report = BuildReport | ServerReport

log = logging.getLogger(__name__)

_failed: dict[tuple[type[Report], int], int] = {}


def handle_safely(report: Report) -> bool:
    """Handle a report and return whether that is over; if not, it has to be handled again."""
    key = (type(report), report.id)
    kind = "build" if isinstance(report, BuildReport) else "session"
    with context.bound_fields(reference=context.reference(), **{kind: report.id}):
        try:
            if isinstance(report, BuildReport):
                observations.handle_build_report(report)
            elif report.state != "ready" or not kernels.checks.holds(report):
                observations.handle_server_report(report)
                if report.state == "ready":
                    kernels.checks.notice(report.id)
        except Exception as error:
            if outages.is_temporary_error(error):
                log.warning("a report will be handled again: %s", error)
                return False
            log.exception("a report could not be handled")
            return _count_failure(key) and run_safely(_give_up, report, context.reference())
    _failed.pop(key, None)
    return True


def _count_failure(key: tuple[type[Report], int]) -> bool:
    """Count a failure; return whether there were too many."""
    if len(_failed) >= MAX_REMEMBERED:
        del _failed[next(iter(_failed))]
    _failed[key] = _failed.pop(key, 0) + 1
    return _failed[key] >= MAX_TRIES


def _give_up(report: Report, reference: str) -> None:
    _failed.pop((type(report), report.id), None)
    if isinstance(report, BuildReport):
        observations.fail_build(report.id, CODE, unreadable_message(reference))
    else:
        observations.fail_server(report.id, CODE, unreadable_message(reference))
