"""Turn what `sessions.watch` has seen in the back end into states, and into sentences for people.

Each observation may be reported again at any time: only the first report changes something.
"""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.lib.db import retry_after_deadlock
from sessions.backends import BuildReport, ServerReport, endings, get_backend
from sessions.backends.messages import BUILD_LIMIT, NO_GPU, QUEUED, UNREACHABLE
from sessions.errors import BackendAway, BackendRefuses, BinderyError, NoRoom, TemporaryError
from sessions.models import Build, Session
from sessions.names import short_commit
from sessions.outages import run_safely
from sessions.progress import journal
from sessions.states import BUILD_ACTIVE, BuildState, Phase, SessionState

from . import admission, files, safe_mode
from .ending import fail, handle_failures
from .queue import enqueue

log = logging.getLogger(__name__)

MAX_BUILD_ATTEMPTS = 3
BUILD_LOST = "build.lost"
_REPEATED_ENDS = frozenset({BUILD_LOST, safe_mode.BASE_DAMAGED})
"""Ends of a build that are not the repository's fault, and that a second one may not have."""
_NO_ERROR = {"code": "", "message": ""}


def handle_build_report(report: BuildReport) -> None:
    """Store a build's new log output and, if it has finished, its result."""
    build = Build.objects.filter(pk=report.id).first()
    if build is None:  # `orphans` finds those in complete lists
        return
    if build.state not in BUILD_ACTIVE:
        _drop_build(report)
        return
    try:
        read_log(build)
    except BackendRefuses as error:  # the end can be seen without it
        log.warning("the log of build %s cannot be read: %s", build.pk, error)
    _record_build_wait(build, report)
    if report.code == safe_mode.BASE_DAMAGED:
        log.error("%s: build %s has used a damaged base", report.code, build.pk)
    is_repeated = report.code in _REPEATED_ENDS and build.attempts < MAX_BUILD_ATTEMPTS
    if report.finished and is_repeated:
        _retry_build(build)
    elif report.finished:
        store_build_result(build, report)


def _drop_build(report: BuildReport) -> None:
    """Cancel a build that nobody wants, or have the back end forget it if it has finished."""
    if report.finished:
        get_backend().forget_build(report.id)
    else:
        get_backend().cancel_build(report.id)


def _record_build_wait(build: Build, report: BuildReport) -> None:
    """Tell everyone who waits for a build, once, what it waits for and when that is over."""
    if report.finished or build.chunks:
        return
    waiting = Session.objects.filter(build=build, state=SessionState.WAITING)
    for session in waiting.exclude(code=report.code):
        _tell_build_wait(session, build, report)


@retry_after_deadlock
def _tell_build_wait(session: Session, build: Build, report: BuildReport) -> None:
    waiting = Session.objects.filter(pk=session.pk, build=build, state=SessionState.WAITING)
    with transaction.atomic():
        if waiting.exclude(code=report.code).update(code=report.code, message=report.message):
            sentence = report.message or _("The build has started.")
            journal.record(session, Phase.FETCHING, sentence, build=build, code=report.code)


def handle_lost_build(build: Build) -> None:
    """Retry or fail a build that had begun and that the back end no longer knows."""
    message = _("The build was interrupted and its output lost. Start it again.")
    handle_build_report(BuildReport(build.pk, True, BUILD_LOST, message))


def fail_build(build_id: int, code: str, message: str) -> None:
    """Fail a build whose report cannot be handled, without its log, and have it dropped."""
    report = BuildReport(build_id, finished=True, code=code, message=message)
    if build := Build.objects.active().filter(pk=build_id).first():
        store_build_result(build, report)
    else:
        _drop_build(report)


def fail_server(session_id: int, code: str, message: str) -> None:
    """Fail the session of a notebook whose report cannot be handled, and have it dropped."""
    if session := Session.objects.live().filter(pk=session_id).first():
        fail(session, code, message, by="watch")
    get_backend().remove_server(session_id)


def handle_refused_build(build: Build, error: BinderyError) -> None:
    """Count a failed attempt of a build that the back end did not accept, and say why.

    The build fails after a permanent error, or after `MAX_BUILD_ATTEMPTS` temporary ones. One for
    which there is no room waits as long as one that no machine takes.
    """
    attempts = build.attempts + 1
    if isinstance(error, TemporaryError):
        _record_build_wait(build, BuildReport(build.pk, False, error.code, error.message))
    if isinstance(error, BackendAway):
        return
    waited = (timezone.now() - build.created).total_seconds()
    if isinstance(error, NoRoom) and waited < settings.PORTAL_QUEUE_TIMEOUT:
        return
    if (
        isinstance(error, TemporaryError)
        and not isinstance(error, NoRoom)
        and attempts < MAX_BUILD_ATTEMPTS
    ):
        Build.objects.filter(pk=build.pk).update(attempts=attempts)
    else:
        report = BuildReport(build.pk, finished=True, code=error.code, message=error.message)
        store_build_result(build, report)


def read_log(build: Build) -> None:
    """Read and store all log output that the back end has."""
    while piece := get_backend().read_log(build.pk, build.position):
        if not journal.append(build, piece):
            return


def _retry_build(build: Build) -> None:
    get_backend().forget_build(build.pk)
    Build.objects.filter(pk=build.pk, attempts=build.attempts).update(
        attempts=build.attempts + 1, position=""
    )
    enqueue("start_build", build.pk)


def store_build_result(build: Build, report: BuildReport) -> None:
    """Store a build's result, and tell everyone who waits for it."""
    to = BuildState.FAILED if report.code else BuildState.BUILT
    Build.objects.advance(
        build.pk,
        to,
        by="watch",
        why=report.code,
        code=report.code,
        message=report.message,
        pack=report.buildpack,
        digest=report.digest,
        **({"resources": report.resources} if report.resources else {}),
        finished=timezone.now(),
    )
    finished = Build.objects.get(pk=build.pk)
    continue_sessions(finished)
    requeue_launches(finished)
    get_backend().forget_build(build.pk)


def continue_sessions(build: Build) -> None:
    """Let every session that waits for a finished build continue, or fail with the reason."""
    if build.state in BUILD_ACTIVE:
        return
    waiting = Session.objects.filter(build=build, state=SessionState.WAITING)
    for session in waiting.select_related("project__owner"):
        run_safely(_continue_session, session, build)


def _continue_session(session: Session, build: Build) -> None:
    if build.state == BuildState.BUILT and not build.code and session.build_only:
        _end_with_build(session, build)
    elif build.state == BuildState.BUILT and not build.code:
        with handle_failures(session):
            _admit_notebook(session, build)
    elif build.state == BuildState.BUILT:
        _refuse_environment(session, build)
    else:
        message = build.message or _("The build was cancelled. Start it again.")
        fail(session, build.code or "build.cancelled", message, by="watch")


@retry_after_deadlock
def _refuse_environment(session: Session, build: Build) -> None:
    """Fail a launch whose environment was built, but has turned out not to work."""
    waiting = Session.objects.filter(pk=session.pk, state=SessionState.WAITING)
    with transaction.atomic():
        if waiting.select_for_update(no_key=True).first():
            message = _("The environment of commit %(commit)s was built before.")
            message %= {"commit": short_commit(build.commit)}
            journal.record(session, Phase.BUILT, message, build=build)
            fail(session, build.code, build.message, by="watch")


def requeue_launches(ended: Build) -> None:
    """Enqueue the launches that waited for a build of the same person to end."""
    owners = Session.objects.filter(build=ended).values("project__owner")
    waiting = Session.objects.filter(state=SessionState.WAITING, build=None, code=BUILD_LIMIT)
    for pk in waiting.filter(project__owner__in=owners).values_list("pk", flat=True):
        enqueue("prepare", pk)


@retry_after_deadlock
def _admit_notebook(session: Session, build: Build) -> None:
    """Start the notebook, if its resources are still within its owner's limits."""
    with transaction.atomic():
        mine = admission.lock(session.project.owner, excluding=session)
        text = admission.resources_text(session.project, build)
        wanted, _warnings = mine.admit_notebook(text)
        why, fields = "its environment is ready", asdict(wanted) | _NO_ERROR
        advance = Session.objects.advance
        if advance(session.pk, SessionState.SPAWNING, by="watch", why=why, **fields):
            _tell_built(session, build)
            journal.record(session, Phase.LAUNCHING, _("Starting the notebook."))
            enqueue("spawn", session.pk)


@retry_after_deadlock
def _end_with_build(session: Session, build: Build) -> None:
    """End a session of which only the environment was wanted."""
    with transaction.atomic():
        why, fields = "only its environment was wanted", {"ended": timezone.now(), **_NO_ERROR}
        if Session.objects.advance(session.pk, SessionState.STOPPED, by="watch", why=why, **fields):
            _tell_built(session, build)
            message = _("Only the environment was to be built, so no notebook was started.")
            journal.record(session, Phase.STOPPED, message)


def _tell_built(session: Session, build: Build) -> None:
    message = _("The environment of commit %(commit)s is ready.") % {
        "commit": short_commit(build.commit)
    }
    journal.record(session, Phase.BUILT, message, build=build)


def handle_server_report(report: ServerReport) -> None:
    """Store that a notebook answers or is gone; remove one that nobody wants.

    A server without a row, or with another project's number, is left to `orphans`.
    """
    session = Session.objects.select_related("project").filter(pk=report.id).first()
    if session is None or report.name not in {"", session.project.name}:
        return
    if session.state in {SessionState.STOPPED, SessionState.FAILED}:
        _drop_server(report)
    elif report.state == "ready" and session.state == SessionState.SPAWNING:
        _store_ready(session, report)
    elif report.state == "ready" and session.state == SessionState.READY:
        _compare_server(session, report)
    elif report.state == "starting" and session.state == SessionState.SPAWNING:
        _record_start_wait(session, report)
    elif report.state == "gone" and _is_half_made(session):
        get_backend().forget_server(session.pk)  # `reconcile` has it made again
    elif report.state == "gone":
        handle_server_gone(session, report.code, report.message)


def _is_half_made(session: Session) -> bool:
    """Return whether the back end stopped answering before it had made all of the server."""
    return session.state == SessionState.SPAWNING and session.code == UNREACHABLE


@retry_after_deadlock
def _record_start_wait(session: Session, report: ServerReport) -> None:
    """Record what a starting notebook waits for: a reason once, a place in a queue each time."""
    is_new = report.code != session.code
    if not is_new and (report.code != NO_GPU or report.message == session.message):
        return
    waits = {"code": report.code, "message": report.message}
    begins = (report.code in QUEUED) != (session.code in QUEUED)  # each has a limit of its own
    with transaction.atomic():
        starting = Session.objects.filter(pk=session.pk, state=SessionState.SPAWNING)
        changed = timezone.now() if begins else session.changed
        if starting.update(**waits, changed=changed):
            sentence = report.message or _("Starting the notebook.")
            journal.record(session, Phase.LAUNCHING, sentence, code=report.code)


@retry_after_deadlock
def _store_ready(session: Session, report: ServerReport) -> None:
    with transaction.atomic():
        place = {"address": report.address, "node": report.node, "server_uid": report.uid}
        fields: dict[str, Any] = {**place, "ready": timezone.now(), **_NO_ERROR}
        if Session.objects.advance(session.pk, SessionState.READY, by="watch", **fields):
            files.record_report(session, report.files)
            journal.record(session, Phase.READY, _("Your notebook is ready."))


def _compare_server(session: Session, report: ServerReport) -> None:
    """Check that it is still the server that the session was given, and follow its address.

    Another one of that name may be anybody's: the notebook is over, and nothing is sent to it.
    """
    same = session.server_uid == report.uid
    if not same and (session.server_uid or session.address != report.address):
        reason = endings.why_ended(endings.ServerEnd(cause=endings.Cause.DELETED))
        handle_server_gone(session, *reason)
    elif not same or session.address != report.address:
        given = Session.objects.filter(
            pk=session.pk, state=SessionState.READY, server_uid=session.server_uid
        )
        given.update(address=report.address, node=report.node, server_uid=report.uid)


def handle_server_gone(session: Session, code: str, message: str) -> None:
    """Store that the server of a live session has stopped: as it was told to, or by itself.

    ``code`` and ``message`` say why, as in `ServerReport`; both may be "".
    """
    failed = session.state == SessionState.SPAWNING and code in safe_mode.REPEATED
    if not (failed and safe_mode.drop_if_damaged(session.build)) or not safe_mode.build_again(
        session, by="watch"
    ):
        _store_gone(session, code, message)
    get_backend().forget_server(session.pk)


@retry_after_deadlock
def _store_gone(session: Session, code: str, message: str) -> None:
    with transaction.atomic():
        Build.objects.filter(sessions=session).update(used=timezone.now())
        ended: dict[str, Any] = {"ended": timezone.now(), **_NO_ERROR}
        if Session.objects.advance(session.pk, SessionState.STOPPED, by="watch", **ended):
            sentence = "" if code else message
            journal.record(session, Phase.STOPPED, sentence or _("The notebook has stopped."))
        elif not safe_mode.repeat(session, code, message, by="watch"):
            sentence = message or _("The notebook stopped by itself. Start it again.")
            reason = safe_mode.blame_build(session, code or "spawn.ended", sentence)
            fail(session, *reason, by="watch")
        if session.project.removed:
            enqueue("remove_project", session.project_id)


def _drop_server(report: ServerReport) -> None:
    if report.state == "gone":
        get_backend().forget_server(report.id)
    else:
        get_backend().remove_server(report.id)
