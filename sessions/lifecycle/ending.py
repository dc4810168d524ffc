"""End sessions and projects, on demand or after an error in a step.

A person asks for it (`commands`), or the portal does so itself (`sessions.culling.cull`). After an
error, the session fails with a sentence, or the step is tried again (`handle_failures`).

All code of this package locks rows in one order: the owner's, the build's, the session's, the
project's. Two transactions that take them in different orders can wait for each other.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.lib.db import retry_after_deadlock
from portal.lib.logs import context
from portal.lib.text import readable
from portal.models import User
from quotas.limits import lock_person
from sessions.backends.messages import NO_ROOM
from sessions.culling.policy import WARNING_PERIOD
from sessions.errors import BackendAway, BinderyError, InternalError, NoRoom, TemporaryError
from sessions.lifecycle.queue import enqueue
from sessions.models import Project, Session
from sessions.models.project import ProjectQuerySet
from sessions.progress import journal
from sessions.states import Phase, SessionState

PORTAL_ACTOR = "portal"
"""The actor recorded when no person asked for the change."""


@retry_after_deadlock
def end(project: Project, by: str, why: str, rows: ProjectQuerySet | None = None) -> bool:
    """Move the project's live session toward its end; return False if none is live.

    A session that is being stopped has ended only when its server has ended. With ``rows``, nothing
    happens unless the project is still among them.
    """
    with transaction.atomic():
        session = _lock_live(project)
        if session is None or not _is_among(project, rows):
            return False
        _end(session, by, why)
    project.current = Session.objects.select_related("build").get(pk=session.pk)
    return True


def _lock_live(project: Project) -> Session | None:
    """Return the project's live session, locked until the end of the transaction."""
    live = Session.objects.live().filter(project=project)
    return live.select_for_update(no_key=True).first()


def _is_among(project: Project, rows: ProjectQuerySet | None) -> bool:
    """Return whether the project is among these rows, and lock it until the transaction ends."""
    if rows is None:
        return True
    return rows.filter(pk=project.pk).select_for_update(no_key=True).first() is not None


def _end(session: Session, by: str, why: str) -> None:
    """Advance the session from the state that the caller has locked."""
    advance = Session.objects.advance
    if session.state == SessionState.WAITING:
        advance(session.pk, SessionState.STOPPED, by=by, why=why, ended=timezone.now())
        journal.record(session, Phase.STOPPED, why)
        if session.build_id:
            enqueue("cancel_unwanted_build", session.build_id)
    elif advance(session.pk, SessionState.STOPPING, by=by, why=why):
        enqueue("remove_server", session.pk)


@retry_after_deadlock
def remove(project: Project, rows: ProjectQuerySet, by: str, why: str, keep: timedelta) -> bool:
    """Delete the project if it is still among ``rows``; return whether it was.

    A running notebook is stopped first; the person's volume stays. The project can be restored for
    the time ``keep``; if that is zero, it is gone at once.
    """
    now = timezone.now()
    with transaction.atomic():
        lock_person(project.owner_id)  # nobody starts it in the meantime
        session = _lock_live(project)
        if not rows.existing().filter(pk=project.pk).update(removed=now, drops=now + keep):
            return False
        if session:
            _end(session, by, why)
            project.current = Session.objects.select_related("build").get(pk=session.pk)
        elif project.current:
            journal.record(project.current, Phase.STOPPED, why)
        if not keep:
            enqueue("remove_project", project.pk)
    return True


@retry_after_deadlock
def delete_for_good(project: Project, why: str) -> bool:
    """Have the back end drop what it keeps of a deleted project.

    Return False if the project can no longer be restored anyway.
    """
    with transaction.atomic():
        if not Project.objects.filter(pk=project.pk).mark_unrestorable():
            return False
        if project.current:
            journal.record(project.current, Phase.STOPPED, why)
        enqueue("remove_project", project.pk)
    return True


def delete_for_good_due(
    since: datetime, by_provider: Mapping[str, datetime | None], now: datetime
) -> int:
    """Let go of the projects whose time to be restored is over; return how many there were.

    A project counts only if its owner has had a whole day to restore it: the portal has been up
    since ``since``, and the owner's identity provider since the moment in ``by_provider`` (None
    while it is away).
    """
    day_before = now - WARNING_PERIOD
    if since > day_before:
        return 0
    away = [issuer for issuer, moment in by_provider.items() if not moment or moment > day_before]
    due = Project.objects.filter(drops__lte=now)
    return due.exclude(owner__in=User.objects.filter(issuer__in=away)).mark_unrestorable()


def record_stop_reason(project: Project, why: str) -> None:
    """Record on the project's timeline why the portal stops its notebook."""
    if project.current and project.current.state == SessionState.STOPPING:
        journal.record(project.current, Phase.STOPPED, why)


log = logging.getLogger(__name__)

MAX_ATTEMPTS = 3


@contextmanager
def handle_failures(session: Session) -> Iterator[None]:
    """Run a step for a session and handle its errors.

    A permanent error fails the session. A temporary one leaves it for `sessions.watch.reconcile` to
    try again, and so does an error of our own, which gets a reference number. Those of a back end
    without room, or that does not answer, pass however long they take: each has a time limit there.
    """
    try:
        yield
    except (NoRoom, BackendAway) as error:
        _wait(session, error)
    except TemporaryError as error:
        _retry(session, error)
    except BinderyError as error:
        fail(session, error.code, error.message, by="worker")
    except Exception:
        reference = context.reference()
        with context.bound_fields(
            reference=reference, session=session.pk, project=session.project_id
        ):
            log.exception("a step of a session failed")
        message = _(
            "Something went wrong on our side. Try again; if it happens again, give the staff the "
            "reference %(reference)s."
        )
        _retry(session, InternalError("internal", message % {"reference": reference}))


@retry_after_deadlock
def _wait(session: Session, error: TemporaryError) -> None:
    """Record once what a starting notebook waits for. While nobody answers, no time counts."""
    if not session.build_id:
        _retry(session, error)
        return
    waits = {"code": NO_ROOM if isinstance(error, NoRoom) else error.code}
    starting = Session.objects.filter(pk=session.pk, state=SessionState.SPAWNING)
    with transaction.atomic():
        is_new = starting.exclude(**waits, message=error.message).exists()
        begins = starting.exclude(**waits).exists() or isinstance(error, BackendAway)
        now = {"changed": timezone.now()} if begins else {}
        if starting.update(**waits, **now, message=error.message) and is_new:
            journal.record(session, Phase.LAUNCHING, error.message, code=error.code)


@retry_after_deadlock
def fail(session: Session, code: str, message: str, *, by: str) -> None:
    """End a live session with an error that its person can read."""
    with transaction.atomic():
        ended = timezone.now()
        message = readable(message)
        fields = {"code": code, "message": message, "ended": ended}
        if Session.objects.advance(session.pk, SessionState.FAILED, by=by, why=code, **fields):
            journal.record(session, Phase.FAILED, message, code=code)


def _retry(session: Session, error: BinderyError) -> None:
    tried = Session.objects.live().filter(pk=session.pk)
    if not tried.update(attempts=F("attempts") + 1, changed=timezone.now()):
        return
    attempts = tried.values_list("attempts", flat=True).get()
    if attempts >= MAX_ATTEMPTS:
        fail(session, error.code, error.message, by="worker")
        return
    message = _("%(problem)s Trying again in a minute (attempt %(attempt)d of %(tries)d).")
    values = {"problem": error.message, "attempt": attempts + 1, "tries": MAX_ATTEMPTS}
    phase = Phase.LAUNCHING if session.build_id else Phase.WAITING
    journal.record(session, phase, message % values, code=error.code)
