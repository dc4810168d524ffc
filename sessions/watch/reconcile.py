"""Bring rows and back end together once a minute, whatever got lost on the way.

It is level-based and works both ways. A row whose next step did not happen gets it again; a row
whose thing is gone is told so; a thing without a row is ended or set aside
(`sessions.lifecycle.orphans`). `loop` runs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from django.utils import timezone

from portal.mail import announcements, outbox
from portal.models import SignIn
from portal.privacy import erase
from sessions import capacity, retention
from sessions.backends import BuildReport, get_backend
from sessions.backends.messages import VOLUME_GONE
from sessions.clock import SteadyClock
from sessions.culling import policy
from sessions.gateway import tickets
from sessions.installation import ownership
from sessions.lifecycle import files, observations, orphans, sshkey
from sessions.lifecycle.queue import Requeue, enqueue
from sessions.models import Build, Idempotency, Project, Session
from sessions.models.session import SessionQuerySet
from sessions.outages import run_safely
from sessions.states import SessionState

from . import conditions, timeouts
from .handling import handle_safely

STALE_AFTER = timedelta(seconds=30)
"""A row may be ahead of its task for this long before the task counts as lost."""

MAX_REFRESHES = 100
"""Sign-ins per pass; a task for one that is already being refreshed ends at once."""


_clock = SteadyClock()

Alert = Callable[[datetime], None]
"""Mails operators the problems at that time."""


def reconcile(clock: SteadyClock = _clock, alert: Alert | None = None) -> None:
    """Do everything once. Chores that do not need the back end come first: it may be away."""
    clock.detect_jump()
    requeue = Requeue()
    if alert and outbox.is_mail_enabled():
        run_safely(alert, timezone.now())
    for chore in (_send_letters, _ask_providers, _renew_keys):
        run_safely(chore, requeue)
    run_safely(_repeat_waiting, clock, requeue)
    for forget in (tickets.sweep, Idempotency.objects.sweep):
        run_safely(forget)
    run_safely(_reconcile_backend, clock, requeue)
    run_safely(_drop_deleted, requeue)
    for work in (_finish_erasures, capacity.refresh):
        run_safely(work)
    run_safely(_make_room, requeue)
    run_safely(_measure, requeue)


def refresh_sign_ins() -> None:
    """Enqueue the refresh of sign-ins at their identity providers, where it is due."""
    due = list(SignIn.objects.due().values_list("pk", flat=True)[:MAX_REFRESHES])
    requeue = Requeue() if due else enqueue
    for pk in due:
        requeue("refresh_sign_in", pk)


def _finish_erasures() -> None:
    if ownership.recorded() in ownership.USABLE:  # elsewhere the name may belong to someone else
        erase.finish()


def _make_room(requeue: Requeue) -> None:
    if capacity.is_disk_nearly_full():
        requeue("relieve")
    if retention.is_due():
        requeue("tidy")


def _measure(requeue: Requeue) -> None:
    if ownership.recorded() not in ownership.USABLE:
        return
    for pk in files.unmeasured().values_list("pk", flat=True)[: files.MAX_MEASURED]:
        requeue("measure_project", pk)


def _ask_providers(requeue: Requeue) -> None:
    if policy.needs_provider_check():
        requeue("ask_providers")


def _renew_keys(requeue: Requeue) -> None:
    for user_id in sshkey.users_with_stale_keys():
        requeue("renew_identity", user_id)


def _send_letters(requeue: Requeue) -> None:
    if not outbox.is_mail_enabled():
        return
    for pk in announcements.due():
        requeue("write_letters", pk)
    if outbox.due().exists():
        requeue("send_letters")


def _repeat_waiting(clock: SteadyClock, requeue: Requeue) -> None:
    """Let sessions continue that have no build yet, or were not told how theirs ended."""
    waiting = Session.objects.unchanged_for(STALE_AFTER).filter(state=SessionState.WAITING)
    for session in waiting.select_related("build", "project"):
        if session.build:
            run_safely(observations.continue_sessions, session.build)
        elif not timeouts.end_wait(session, clock):
            requeue("prepare", session.pk)


def _reconcile_backend(clock: SteadyClock, requeue: Requeue) -> None:
    """Bring rows and back end together, both ways.

    Rows that seem to be behind are read before the back end is asked, and again after its reports
    were stored.
    """
    behind = list(_under_way().values_list("pk", flat=True))
    backend = get_backend()
    with conditions.record_backend_condition(clock):
        builds, servers = backend.builds(), backend.servers()
    status = ownership.check_and_record(ownership.found_in_reports(builds, servers))
    if status in ownership.MISMATCHED:
        return
    for build in builds:
        _check_build(build, clock)
    for server in servers:
        handle_safely(server)
    listed = {report.id for report in servers}
    for session in _under_way().filter(pk__in=behind).select_related("project"):
        run_safely(_repeat, session, clock, requeue, running=session.pk in listed)
    _repeat_builds(builds, requeue)
    timeouts.record_stuck_stops(clock)
    run_safely(ownership.mark_if_needed, builds, servers)
    orphans.clear_orphans(builds, servers, status, requeue)


def _under_way() -> SessionQuerySet:
    """Return sessions with a notebook, or on their way to one, that are unchanged for a while."""
    return Session.objects.live().unchanged_for(STALE_AFTER).exclude(state=SessionState.WAITING)


def _repeat(session: Session, clock: SteadyClock, requeue: Requeue, *, running: bool) -> None:
    """Repeat the step that should have happened to this session."""
    if session.state == SessionState.STOPPING and running:
        if not timeouts.end_stop(session, clock):
            requeue("remove_server", session.pk)
    elif session.state == SessionState.SPAWNING and not timeouts.end_start(session, clock):
        if not running or session.code == VOLUME_GONE:
            requeue("spawn", session.pk)
    elif session.state != SessionState.SPAWNING and not running:
        observations.handle_server_gone(session, "spawn.lost", "")


def _check_build(report: BuildReport, clock: SteadyClock) -> None:
    """Store what became of a build. Its time limits hold whatever it reports."""
    handle_safely(report)
    run_safely(timeouts.end_build, report, clock)
    run_safely(timeouts.end_leftover_build, report, clock)


def _repeat_builds(reports: Iterable[BuildReport], requeue: Requeue) -> None:
    """Start builds that the back end does not know.

    A build with stored output was known to it before, so that one is lost.
    """
    listed = {report.id for report in reports}
    for build in Build.objects.active().exclude(pk__in=listed):
        if build.position:
            run_safely(observations.handle_lost_build, build)
        else:
            requeue("start_build" if build.is_wanted() else "cancel_unwanted_build", build.pk)


def _drop_deleted(requeue: Requeue) -> None:
    """Have the back end drop what it keeps of deleted projects that nobody can restore."""
    if ownership.recorded() not in ownership.USABLE:
        return
    busy = Session.objects.live().values("project")
    for pk in Project.objects.pending_removal().exclude(pk__in=busy).values_list("pk", flat=True):
        requeue("remove_project", pk)
