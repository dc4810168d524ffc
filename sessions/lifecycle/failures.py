"""Handle an error in a step: fail the session with a sentence, or try again."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from django.db.models import F
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.lib.logs import context
from portal.lib.logs.redaction import EMOJI, visible
from sessions.errors import BinderyError, InternalError, TemporaryError
from sessions.models import Session
from sessions.progress import journal
from sessions.states import Phase, SessionState

log = logging.getLogger(__name__)

TRIES = 3


@contextmanager
def failures_of(session: Session) -> Iterator[None]:
    """Run a step for a session and handle its errors.

    A permanent error fails the session. A temporary one leaves it for `sessions.watch.reconcile` to
    try again, and so does an error of our own, which gets a reference number.
    """
    try:
        yield
    except TemporaryError as error:
        _again(session, error)
    except BinderyError as error:
        fail(session, error.code, error.message, by="worker")
    except Exception:
        reference = context.reference()
        with context.about(reference=reference, session=session.pk, project=session.project_id):
            log.exception("a step for a session failed")
        message = _(
            "Something went wrong on our side. Try again; if it happens again, tell the staff "
            "the reference %(reference)s."
        )
        _again(session, InternalError("internal", message % {"reference": reference}))


def fail(session: Session, code: str, message: str, *, by: str) -> None:
    """End a live session with an error that its person can read."""
    with transaction.atomic():
        ended = timezone.now()
        message = visible(message, kept=EMOJI)
        fields = {"code": code, "message": message, "ended": ended}
        if Session.objects.advance(session.pk, SessionState.FAILED, by=by, why=code, **fields):
            journal.record(session, Phase.FAILED, message, code=code)


def _again(session: Session, error: BinderyError) -> None:
    tried = Session.objects.live().filter(pk=session.pk)
    if not tried.update(attempts=F("attempts") + 1, changed=timezone.now()):
        return
    attempts = tried.values_list("attempts", flat=True).get()
    if attempts >= TRIES:
        fail(session, error.code, error.message, by="worker")
        return
    message = _("%(problem)s Trying again in a minute (%(attempt)d of %(tries)d).")
    values = {"problem": error.message, "attempt": attempts + 1, "tries": TRIES}
    phase = Phase.LAUNCHING if session.build_id else Phase.WAITING
    journal.record(session, phase, message % values, code=error.code)
