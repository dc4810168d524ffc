"""Once a minute: bring rows and back end together, whatever got lost on the way.

Level-based and both ways: a row whose next step did not happen gets it again, a row whose
thing is gone is told so, a thing that has no row is removed. `watch` runs it.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _

from portal import erasing, letters
from portal.oidc import refreshing
from sessions import capacity
from sessions.backends import BuildReport, ServerReport, get_backend
from sessions.gateway import tickets
from sessions.lifecycle import facts, sshkey
from sessions.lifecycle.failures import fail
from sessions.lifecycle.queue import enqueue
from sessions.models import Build, Idempotency, Project, Session
from sessions.states import SessionState
from sessions.waits import QUEUED

PATIENCE = timedelta(seconds=30)
"""A row may be ahead of its task for this long before the task is taken for lost."""

REFRESHED_AT_ONCE = 100
"""Sign-ins in one go; a task for one that is asked already ends at once."""


def reconcile() -> None:
    """Everything, once."""
    _send_letters()
    overdue = list(
        Session.objects.live().untouched_for(PATIENCE).select_related("build", "project")
    )
    backend = get_backend()
    builds, servers = backend.builds(), backend.servers()
    listed = {report.id for report in servers}
    for session in overdue:
        _repeat(session, running=session.pk in listed)
    _repeat_builds(builds)
    _look_again(builds, servers)
    _drop_projects(backend.projects())
    for user_id in sshkey.overtaken():
        enqueue("renew_identity", user_id)
    erasing.finish()
    tickets.sweep()
    Idempotency.objects.sweep()
    capacity.look()


def refresh_sign_ins() -> None:
    """Have the providers asked again about whoever is signed in, where it is time."""
    for pk in refreshing.due().values_list("pk", flat=True)[:REFRESHED_AT_ONCE]:
        enqueue("refresh_sign_in", pk)


def _send_letters() -> None:
    """First, because it asks nothing of the back end, which may be away."""
    if letters.are_sent() and letters.due().exists():
        enqueue("send_letters")


def _repeat(session: Session, *, running: bool) -> None:
    """Do again what should have happened to a session that has not moved for a while."""
    if session.state == SessionState.WAITING:
        if session.build is None:
            enqueue("prepare", session.pk)
        else:
            facts.settle(session.build)
    elif session.state == SessionState.STOPPING and running:
        enqueue("remove_server", session.pk)
    elif session.state == SessionState.SPAWNING and _overlong(session):
        _give_up(session)
    elif session.state == SessionState.SPAWNING and not running:
        enqueue("spawn", session.pk)
    elif not running:
        facts.server_gone(session, "spawn.lost", "")


def _overlong(session: Session) -> bool:
    """Whether a start takes too long; waiting for what others hold may take longer."""
    queued = session.code in QUEUED
    seconds = settings.PORTAL_QUEUE_TIMEOUT if queued else settings.PORTAL_SPAWN_TIMEOUT
    return session.changed < timezone.now() - timedelta(seconds=seconds)


def _give_up(session: Session) -> None:
    message = session.message or _("The notebook did not start in time. Try again.")
    fail(session, session.code or "spawn.timeout", message, by="reconcile")


def _repeat_builds(reports: Iterable[BuildReport]) -> None:
    listed = {report.id for report in reports}
    for build in Build.objects.active().exclude(pk__in=listed):
        enqueue("start_build" if build.is_wanted() else "cancel_unwanted_build", build.pk)


def _look_again(builds: Iterable[BuildReport], servers: Iterable[ServerReport]) -> None:
    for build in builds:
        facts.build_seen(build)
    for server in servers:
        facts.server_seen(server)


def _drop_projects(names: Iterable[str]) -> None:
    existing = set(Project.objects.existing().values_list("name", flat=True))
    live = set(Session.objects.live().values_list("project__name", flat=True))
    for name in set(names) - existing - live:
        get_backend().remove_project(name)
