"""Repeat a start that failed in safe mode, and decide whether the environment is to blame.

A notebook may be kept from starting by its person's own configuration and packages, or by the
repository's start script. So a start that fails is repeated once, at once, without them, as a
session of its own (`sessions.jupyter` says what safe mode leaves out). If JupyterLab does not start
then either, in an environment in which it never has, the build was bad: nobody is given its image
any more. A kernel that dies is another reason (`kernels`).
"""

from __future__ import annotations

from dataclasses import asdict

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from sessions.backends.endings import CRASHED, ENTRY_POINT, NOT_RUN, START_SCRIPT, TIMEOUT
from sessions.models import Build, Project, Session
from sessions.progress import journal
from sessions.states import Phase, SessionState

from .queue import enqueue

DEAD_KERNEL = "kernel.dead"
REPEATED = frozenset({CRASHED, ENTRY_POINT, NOT_RUN, START_SCRIPT, TIMEOUT, DEAD_KERNEL})
"""Ends of a start that the person's own files or the start script may have caused."""
BAD_BUILD = "build.no-jupyterlab"


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
    again = Session.objects.create(
        project=session.project,
        build=session.build,
        state=SessionState.SPAWNING,
        safe_mode=_("It did not start as usual. %(why)s") % {"why": message},
        **asdict(session.resources),
    )
    Project.objects.filter(pk=session.project_id).update(current=again)
    sentence = _("%(why)s\nStarting again in safe mode.") % {"why": message}
    journal.record(again, Phase.LAUNCHING, sentence, code=code)
    enqueue("spawn", again.pk)
    return True


def tries_kernel(session: Session) -> bool:
    """Return whether the start repeats the project's last one, whose kernel had died.

    The start script runs in it: it may set what the environment's kernels need, and the server had
    started with it.
    """
    if not session.safe_mode:
        return False
    earlier = Session.objects.filter(project=session.project_id, pk__lt=session.pk)
    last = earlier.order_by("-pk").first()
    return last is not None and (last.state, last.code) == (SessionState.FAILED, DEAD_KERNEL)


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
