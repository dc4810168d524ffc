"""Repeat a start that failed in safe mode, and decide whether the environment is to blame.

A notebook may be kept from starting by its person's own configuration and packages, or by the
repository's start script. So a start that fails is repeated once, at once, without them, as a
session of its own (`sessions.jupyter` says what safe mode leaves out). If JupyterLab does not start
then either, in an environment in which it never has, the build was bad: nobody is given its image
any more. A kernel that dies is another reason (`kernels`).

Nobody and nothing of theirs is to blame where the portal's own part of the environment was damaged
after it was made. Then the environment is built again, once, and the notebook starts in that.
"""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from sessions.backends import get_backend
from sessions.backends.endings import CRASHED, ENTRY_POINT, NOT_RUN, START_SCRIPT, TIMEOUT
from sessions.models import Build, Project, Session
from sessions.progress import journal
from sessions.states import Phase, SessionState

from .queue import enqueue

log = logging.getLogger(__name__)

DEAD_KERNEL = "kernel.dead"
REPEATED = frozenset({CRASHED, ENTRY_POINT, NOT_RUN, START_SCRIPT, TIMEOUT, DEAD_KERNEL})
"""Ends of a start that the person's own files or the start script may have caused."""
BAD_BUILD = "build.no-jupyterlab"
BASE_DAMAGED = "build.base-damaged"


@transaction.atomic
def repeat(session: Session, code: str, message: str, *, by: str) -> bool:
    """Fail a start for this reason and repeat it in safe mode; return whether that is done.

    It is not if the notebook had started, was in safe mode already, or failed for another reason.
    """
    starting = Session.objects.filter(pk=session.pk, state=SessionState.SPAWNING, safe_mode="")
    if code not in REPEATED or session.project.removed:
        return False
    if not starting.select_for_update().exists():
        return False
    now = timezone.now()
    ended = {"code": code, "message": message, "ended": now}
    if not Session.objects.advance(session.pk, SessionState.FAILED, by=by, why=code, **ended):
        return False
    safe = {"safe_mode": _("It did not start as usual. %(why)s") % {"why": message}}
    again = _next(session, build=session.build, state=SessionState.SPAWNING, **safe)
    sentence = _("%(why)s\nStarting again in safe mode.") % {"why": message}
    journal.record(again, Phase.LAUNCHING, sentence, code=code)
    enqueue("spawn", again.pk)
    return True


def drop_if_damaged(build: Build | None) -> bool:
    """Return whether the portal's own part of an environment was damaged after it was made.

    Nobody is given that environment any more. Takes up to a second: not within a transaction.
    """
    if build is None or not get_backend().is_damaged(build.image):
        return False
    log.error("%s: the environment of build %s is not used any more", BASE_DAMAGED, build.pk)
    Build.objects.filter(pk=build.pk).update(dropped=True)
    return True


@transaction.atomic
def build_again(session: Session, *, by: str) -> bool:
    """End a start whose environment was damaged, and have it built again; return whether it is.

    It is not if that was done just before: then the disk needs the staff.
    """
    starting = Session.objects.filter(pk=session.pk, state=SessionState.SPAWNING)
    if session.project.removed or not starting.select_for_update().exists():
        return False
    message = _(
        "The files of JupyterLab that all environments here share were damaged on the portal's "
        "disk. Neither your files nor the repository are the reason. The environment is built "
        "again; if that does not help, tell the staff."
    )
    ended = {"code": BASE_DAMAGED, "message": message, "ended": timezone.now()}
    is_second = _last_code(session) == BASE_DAMAGED
    advance = Session.objects.advance
    if not advance(session.pk, SessionState.FAILED, by=by, why=BASE_DAMAGED, **ended):
        return False
    if is_second:
        journal.record(session, Phase.FAILED, message, code=BASE_DAMAGED)
        return True
    again = _next(session, safe_mode=session.safe_mode)
    journal.record(again, Phase.WAITING, message, code=BASE_DAMAGED)
    enqueue("prepare", again.pk)
    return True


def _next(session: Session, **fields: Any) -> Session:
    """Insert the session that takes the place of one that has just failed."""
    again = Session.objects.create(project=session.project, **fields, **asdict(session.resources))
    Project.objects.filter(pk=session.project_id).update(current=again)
    return again


def _last_code(session: Session) -> str:
    """Return how the project's session before this one failed; "" if it did not."""
    earlier = Session.objects.filter(project=session.project_id, pk__lt=session.pk)
    last = earlier.order_by("-pk").first()
    return last.code if last is not None and last.state == SessionState.FAILED else ""


def tries_kernel(session: Session) -> bool:
    """Return whether the start repeats the project's last one, whose kernel had died.

    The start script runs in it: it may set what the environment's kernels need, and the server had
    started with it.
    """
    return bool(session.safe_mode) and _last_code(session) == DEAD_KERNEL


def blame_build(session: Session, code: str, message: str) -> tuple[str, str]:
    """Return the reason why a notebook ended, after dropping its environment if that is bad."""
    is_starting = session.safe_mode and session.state == SessionState.SPAWNING
    if session.build is None or not is_starting or code != CRASHED:
        return code, message
    if session.build.sessions.filter(ready__isnull=False).exists():
        return code, message
    Build.objects.filter(pk=session.build.pk).update(dropped=True)
    blame = _(
        "JupyterLab does not start in this repository's environment, not even in safe mode. "
        "Change the versions that the repository pins, or remove what breaks JupyterLab; the next "
        "start builds it again. %(why)s"
    )
    return BAD_BUILD, blame % {"why": message}
