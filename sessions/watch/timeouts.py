"""End whatever has been on its way for too long, with a sentence that says so.

`reconcile` calls it once a minute. All ages are measured by `sessions.clock.SteadyClock`, so that
neither a clock that jumps nor an outage of the portal fails anything. Limits that the back end
enforces itself (`PORTAL_BUILD_TIMEOUT`) are checked here as well: a machine may have lost the
process that was to enforce them.
"""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext as _

from sessions.backends import LOG_TRUNCATED, BuildReport, endings, get_backend
from sessions.backends.messages import QUEUED, time_limit
from sessions.clock import SteadyClock
from sessions.errors import BinderyError
from sessions.lifecycle import observations, safe_mode
from sessions.lifecycle.ending import fail
from sessions.models import Build, Condition, LogChunk, Session
from sessions.outages import run_safely
from sessions.states import BUILD_ACTIVE, SessionState

GRACE_SECONDS = 120
"""Seconds beyond a build's limit in which the back end may stop it itself."""
STOPS = "stops"
"""The name of the `Condition` for notebooks that do not stop."""


def end_wait(session: Session, clock: SteadyClock) -> bool:
    """Fail a session whose commit was not looked up in time, or that waited for too long.

    Return whether it was failed.
    """
    if session.state != SessionState.WAITING or session.build_id:
        return False
    limit = settings.PORTAL_QUEUE_TIMEOUT if session.code else settings.PORTAL_PREPARE_TIMEOUT
    if not clock.has_elapsed(session.changed, limit):
        return False
    if session.code:
        fail(session, session.code, _waited(session.message), by="reconcile")
    else:
        message = _("The portal could not read the repository within %(time)s. Start it again.")
        fail(session, "launch.timeout", message % {"time": time_limit(limit)}, by="reconcile")
    return True


def end_start(session: Session, clock: SteadyClock) -> bool:
    """Fail a start that takes too long; waiting for what others hold may take longer.

    Return whether it was failed.
    """
    if session.state != SessionState.SPAWNING:
        return False
    queued = session.code in QUEUED
    limit = settings.PORTAL_QUEUE_TIMEOUT if queued else settings.PORTAL_SPAWN_TIMEOUT
    if not clock.has_elapsed(session.changed, limit):
        return False
    if session.code:
        said = _waited(session.message) if queued else session.message
        fail(session, session.code, said, by="reconcile")
        get_backend().remove_server(session.pk)
        return True
    code, message = _why_slow(session, limit)
    if safe_mode.repeat(session, code, message, by="reconcile"):
        get_backend().kill_server(session.pk)  # the next one uses the same files
    else:
        fail(session, code, message, by="reconcile")
        get_backend().remove_server(session.pk)
    return True


def _why_slow(session: Session, limit: int) -> tuple[str, str]:
    """Return code and sentence for a start that has taken longer than ``limit`` seconds."""
    try:
        return get_backend().why_slow(session.pk, limit)
    except BinderyError as error:
        message = _("The notebook did not start within %(time)s. Why is not known: %(why)s")
        values = {"time": time_limit(limit), "why": error.message}
        return endings.TIMEOUT, message % values


def end_stop(session: Session, clock: SteadyClock) -> bool:
    """Force a notebook to end that was told to stop and does not; return whether it was overdue."""
    is_over = clock.has_elapsed(session.changed, settings.PORTAL_STOP_TIMEOUT)
    if session.state != SessionState.STOPPING or not is_over:
        return False
    get_backend().kill_server(session.pk)
    return True


def record_stuck_stops(clock: SteadyClock) -> None:
    """Tell staff about notebooks that do not even end by force."""
    limit = 2 * settings.PORTAL_STOP_TIMEOUT
    stopping = Session.objects.filter(state=SessionState.STOPPING)
    begun = stopping.values_list("changed", flat=True)
    is_stuck = any(clock.has_elapsed(since, limit) for since in begun)
    Condition.objects.record(STOPS, "not even by force" if is_stuck else "")


def end_build(report: BuildReport, clock: SteadyClock) -> None:
    """End a build that has taken or waited for too long, or has been silent for too long."""
    build = Build.objects.filter(pk=report.id, state__in=BUILD_ACTIVE).first()
    if build is None or report.finished:
        return
    if report.code:
        _extend_wait(build, report, clock)
        return
    began = build.started or build.created
    if clock.has_elapsed(began, settings.PORTAL_BUILD_TIMEOUT + GRACE_SECONDS):
        message = _("The build was stopped because it took longer than %(time)s.")
        _end(build, "build.timeout", message, settings.PORTAL_BUILD_TIMEOUT)
    elif clock.has_elapsed(_last_output(build, began), settings.PORTAL_BUILD_SILENCE):
        message = _(
            "The build was stopped because it printed nothing for %(time)s. Its log shows what it "
            "did last. Have that step print its progress from time to time, or make it shorter."
        )
        _end(build, "build.silent", message, settings.PORTAL_BUILD_SILENCE)


def end_leftover_build(report: BuildReport, clock: SteadyClock) -> None:
    """Remove a build that was told to end and goes on."""
    build = Build.objects.exclude(state__in=BUILD_ACTIVE).filter(pk=report.id).first()
    if build is None or build.finished is None or report.finished:
        return
    if clock.has_elapsed(build.finished, settings.PORTAL_STOP_TIMEOUT):
        get_backend().forget_build(report.id)


def _extend_wait(build: Build, report: BuildReport, clock: SteadyClock) -> None:
    """Postpone the start of a build's own time until a machine has taken it."""
    if clock.has_elapsed(build.created, settings.PORTAL_QUEUE_TIMEOUT):
        _finish(build, report.code, _waited(report.message))
    else:
        Build.objects.active().filter(pk=build.pk).update(started=timezone.now())


def _last_output(build: Build, began: datetime) -> datetime:
    """Return when the build gave its last sign of life.

    If its log was cut, that cannot be told any more: return now.
    """
    log = LogChunk.objects.filter(build=build)
    last = log.aggregate(at=Max("at"))["at"]
    if last and log.filter(text__contains=LOG_TRUNCATED).exists():
        return timezone.now()
    return max(began, last or began)


def _end(build: Build, code: str, message: str, seconds: int) -> None:
    _finish(build, code, message % {"time": time_limit(seconds)})


def _finish(build: Build, code: str, message: str) -> None:
    run_safely(observations.read_log, build)
    observations.store_build_result(
        build, BuildReport(build.pk, True, code, message)
    )  # which forgets it


def _waited(message: str) -> str:
    return _("The portal gave up after a long wait. %(why)s Try again later.") % {"why": message}
