"""Record whether kernels work, tell people about one that does not, and mark a bad build.

JupyterLab answers before any kernel runs, so a notebook can be ready although no code can run in
it. `sessions.watch.kernels` starts a kernel in the first notebook of a build, and
`sessions.culling.activity` sees the kernels that people start. A kernel that dies is told on the
project's page, while the notebook goes on. If nothing of the person's can be the reason, the build
is bad: it keeps its state and gets a code, with which later launches of it fail. A rebuild is
another build.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.lib.db import retry_after_deadlock
from sessions.models import Build, Session
from sessions.progress import journal
from sessions.states import Phase, SessionState

log = logging.getLogger(__name__)

DEAD = "kernel.dead"
BAD_BUILD = "build.kernel-dead"
STARTED_WITHIN = timedelta(minutes=2)
"""For this long after a notebook is ready, nobody has changed what its kernel loads."""
NEW_PROJECT = timedelta(days=1)
"""No rows of a younger project's sessions have been removed for their age."""


def find_unseen(session_id: int) -> Session | None:
    """Return the session if it is ready and nobody has seen a kernel of its build work."""
    unseen = Session.objects.filter(build__kernel_seen=False, code="")
    return unseen.filter(pk=session_id, state=SessionState.READY).first()


def record_working(session_ids: Collection[int]) -> None:
    """Store that the kernels of these sessions work.

    This says nothing of a build whose kernel had died in the same notebook: its person has repaired
    it there.
    """
    ready = Session.objects.filter(pk__in=session_ids, state=SessionState.READY)
    builds = ready.exclude(code=DEAD).values("build")
    Build.objects.filter(kernel_seen=False, pk__in=builds).update(kernel_seen=True)
    ready.filter(code=DEAD).update(code="", message="")


@retry_after_deadlock
def record_dead(session_id: int, *, is_first: bool = False) -> None:
    """Tell the person that the kernel of a ready notebook dies; do so once.

    ``is_first`` means that it was the notebook's first kernel, started by the portal.
    """
    with transaction.atomic():
        ready = Session.objects.filter(pk=session_id, state=SessionState.READY).exclude(code=DEAD)
        session = ready.select_related("project").first()
        if session is None:
            return
        is_bad = is_first and _is_clean(session) and _mark_bad(session)
        message = _message(session, is_bad=is_bad)
        if ready.update(code=DEAD, message=message):
            journal.record(session, Phase.READY, message, code=DEAD)


def _is_clean(session: Session) -> bool:
    """Return whether the notebook has loaded nothing of its person's."""
    now = timezone.now()
    if session.ready is None or abs(now - session.ready) > STARTED_WITHIN:
        return False
    if session.safe_mode:
        return True
    earlier = Session.objects.filter(project=session.project_id, ready__isnull=False)
    is_new = now - session.project.created < NEW_PROJECT
    return is_new and not earlier.exclude(pk=session.pk).exists()


def _mark_bad(session: Session) -> bool:
    message = _(
        "The kernel of this environment dies when it starts, so no code could run in the notebook. "
        "Change the versions that the repository pins, or its start script. Rebuilding tries the "
        "same commit again."
    )
    unseen = Build.objects.filter(sessions=session.pk, kernel_seen=False)
    if not unseen.update(code=BAD_BUILD, message=message):
        return False
    log.warning("the kernel of build %s dies: the build is bad", session.build_id)
    return True


def _message(session: Session, *, is_bad: bool) -> str:
    happened = _(
        "The kernel dies each time it is started, so no code can run in this notebook. JupyterLab "
        "works, and your files are safe."
    )
    if is_bad:
        advice = _(
            "Nothing of yours was loaded, so the reason is in the repository: change the versions "
            "that it pins, or its start script, and rebuild. Until then, launches of this "
            "environment fail."
        )
    elif session.safe_mode:
        advice = _("Change the versions that the repository pins, and rebuild.")
    else:
        advice = _(
            "Packages in your home (~/.local) or your own configuration may be the reason: stop "
            "the notebook, and start it in safe mode, which leaves them out. If code runs there, "
            "remove what you installed or changed last; otherwise, change the versions that the "
            "repository pins."
        )
    return f"{happened} {advice}"
