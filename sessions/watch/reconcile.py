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
from sessions.clock import Elapsed
from sessions.culling import policy
from sessions.gateway import tickets
from sessions.installation import ownership
from sessions.lifecycle import files, observations, orphans, sshkey
from sessions.lifecycle.queue import Again, enqueue
from sessions.models import Build, Idempotency, Project, Session
from sessions.models.session import SessionQuerySet
from sessions.outages import guarded
from sessions.states import SessionState

from . import conditions, timeouts

PATIENCE = timedelta(seconds=30)
"""A row may be ahead of its task for this long before the task counts as lost."""

REFRESHED_AT_ONCE = 100
"""Sign-ins per pass; a task for one that is being refreshed already ends at once."""


_elapsed = Elapsed()

Alert = Callable[[datetime], None]
"""Writes to operators what is wrong at a time."""


def reconcile(elapsed: Elapsed = _elapsed, alert: Alert | None = None) -> None:
    """Do everything once. Chores that do not need the back end come first: it may be away."""
    elapsed.look()
    again = Again()
    if alert and outbox.are_sent():
        guarded(alert, timezone.now())
    for chore in (_send_letters, _ask_providers, _renew_keys):
        guarded(chore, again)
    guarded(_repeat_waiting, elapsed, again)
    for forget in (tickets.sweep, Idempotency.objects.sweep):
        guarded(forget)
    guarded(_bring_together, elapsed, again)
    guarded(_drop_deleted, again)
    for look in (_finish_erasures, capacity.look):
        guarded(look)
    guarded(_make_room, again)
    guarded(_measure, again)


def refresh_sign_ins() -> None:
    """Enqueue the refresh of sign-ins at their identity providers, where it is due."""
    due = list(SignIn.objects.due().values_list("pk", flat=True)[:REFRESHED_AT_ONCE])
    again = Again() if due else enqueue
    for pk in due:
        again("refresh_sign_in", pk)


def _finish_erasures() -> None:
    if ownership.noted() in ownership.USABLE:  # elsewhere the name may be another person's
        erase.finish()


def _make_room(again: Again) -> None:
    if capacity.is_short():
        again("relieve")
    if retention.is_due():
        again("tidy")


def _measure(again: Again) -> None:
    if ownership.noted() not in ownership.USABLE:
        return
    for pk in files.unmeasured().values_list("pk", flat=True)[: files.AT_ONCE]:
        again("measure_project", pk)


def _ask_providers(again: Again) -> None:
    if policy.are_to_be_asked():
        again("ask_providers")


def _renew_keys(again: Again) -> None:
    for user_id in sshkey.overtaken():
        again("renew_identity", user_id)


def _send_letters(again: Again) -> None:
    if not outbox.are_sent():
        return
    for pk in announcements.due():
        again("write_letters", pk)
    if outbox.due().exists():
        again("send_letters")


def _repeat_waiting(elapsed: Elapsed, again: Again) -> None:
    """Let sessions continue that have no build yet, or were not told how theirs ended."""
    waiting = Session.objects.untouched_for(PATIENCE).filter(state=SessionState.WAITING)
    for session in waiting.select_related("build", "project"):
        if session.build:
            guarded(observations.settle, session.build)
        elif not timeouts.end_wait(session, elapsed):
            again("prepare", session.pk)


def _bring_together(elapsed: Elapsed, again: Again) -> None:
    """Bring rows and back end together, both ways.

    Rows that seem to be behind are read before the back end is asked, and again after its reports
    were stored.
    """
    behind = list(_under_way().values_list("pk", flat=True))
    backend = get_backend()
    with conditions.asking_backend():
        builds, servers = backend.builds(), backend.servers()
    verdict = ownership.look(ownership.listed(builds, servers))
    if verdict in ownership.APART:
        return
    for build in builds:
        guarded(_look_at_build, build, elapsed)
    for server in servers:
        guarded(observations.server_seen, server)
    listed = {report.id for report in servers}
    for session in _under_way().filter(pk__in=behind).select_related("project"):
        guarded(_repeat, session, elapsed, again, running=session.pk in listed)
    _repeat_builds(builds, again)
    timeouts.look_at_stops(elapsed)
    guarded(ownership.mark, builds, servers)
    orphans.clear(builds, servers, verdict, again)


def _under_way() -> SessionQuerySet:
    """Return sessions with a notebook, or on their way to one, that are unchanged for a while."""
    return Session.objects.live().untouched_for(PATIENCE).exclude(state=SessionState.WAITING)


def _repeat(session: Session, elapsed: Elapsed, again: Again, *, running: bool) -> None:
    """Repeat the step that should have happened to this session."""
    if session.state == SessionState.STOPPING and running:
        if not timeouts.end_stop(session, elapsed):
            again("remove_server", session.pk)
    elif session.state == SessionState.SPAWNING and not timeouts.end_start(session, elapsed):
        if not running:
            again("spawn", session.pk)
    elif session.state != SessionState.SPAWNING and not running:
        observations.server_gone(session, "spawn.lost", "")


def _look_at_build(report: BuildReport, elapsed: Elapsed) -> None:
    observations.build_seen(report)
    timeouts.end_build(report, elapsed)
    timeouts.end_leftover_build(report, elapsed)


def _repeat_builds(reports: Iterable[BuildReport], again: Again) -> None:
    """Start builds that the back end does not know.

    A build with stored output was known to it before, so that one is lost.
    """
    listed = {report.id for report in reports}
    for build in Build.objects.active().exclude(pk__in=listed):
        if build.position:
            guarded(observations.build_lost, build)
        else:
            again("start_build" if build.is_wanted() else "cancel_unwanted_build", build.pk)


def _drop_deleted(again: Again) -> None:
    """Have the back end drop what it keeps of deleted projects that nobody can restore."""
    if ownership.noted() not in ownership.USABLE:
        return
    busy = Session.objects.live().values("project")
    for pk in Project.objects.dropping().exclude(pk__in=busy).values_list("pk", flat=True):
        again("remove_project", pk)
