"""Record whether kernels work, tell people about one that does not, and mark a bad build.

JupyterLab answers before any kernel runs, so a notebook can be ready although no code can run in
it. `sessions.watch.kernels` starts a kernel in the first notebook of a build, and
`sessions.culling.activity` sees the kernels that people start. A kernel that dies is told on the
project's page, while the notebook goes on.

A person can end their notebook's kernels, so that proves nothing about the build: it is only
**doubted**. The next start of a doubted build is held before anybody can reach it, until its kernel
was tried (`release`). If that dies, too, the start is repeated in safe mode, without anything of
the person's but with the start script as it was built, which may set what kernels need. It is held
again, and the kernel is tried outside the repository's files. If even that kernel dies, the build
is bad: it keeps its state and gets a code, with which later launches of it fail. A rebuild is
another build. If it works, the reason is in files, such as an ipykernel_launcher.py of the
repository's, which safe mode does not leave out: later starts are not held, since that would help
nobody.
"""

from __future__ import annotations

import logging
from collections.abc import Collection

from django.db import transaction
from django.utils.translation import gettext as _

from portal.lib.db import retry_after_deadlock
from sessions.backends import ServerReport, get_backend
from sessions.models import Build, Session
from sessions.progress import journal
from sessions.states import Phase, SessionState

from . import observations, safe_mode
from .ending import fail

log = logging.getLogger(__name__)

DEAD = safe_mode.DEAD_KERNEL
BAD_BUILD = "build.kernel-dead"


def find_unseen(session_id: int) -> Session | None:
    """Return the session if it is ready and nobody has seen a kernel of its build work."""
    unseen = Session.objects.filter(build__kernel_seen=False, code="")
    return unseen.filter(pk=session_id, state=SessionState.READY).first()


def record_working(session_ids: Collection[int]) -> None:
    """Store that the kernels of these sessions work.

    This says nothing of a build whose kernel had died in the same notebook: its person has repaired
    it there. Nor does safe mode, which leaves out what the repository itself may have in its files.
    """
    ready = Session.objects.filter(pk__in=session_ids, state=SessionState.READY)
    builds = ready.filter(safe_mode="").exclude(code=DEAD).values("build")
    Build.objects.filter(kernel_seen=False, pk__in=builds).update(kernel_seen=True)
    ready.filter(code=DEAD).update(code="", message="")


@retry_after_deadlock
def record_dead(session_id: int, *, is_first: bool = False) -> None:
    """Tell the person that the kernel of a ready notebook dies; do so once.

    ``is_first`` means that it was the notebook's first kernel, started by the portal: it makes the
    build a doubted one.
    """
    ready = Session.objects.filter(pk=session_id, state=SessionState.READY).exclude(code=DEAD)
    first = ready.select_related("build").first() if is_first else None
    damaged = first is not None and safe_mode.drop_if_damaged(first.build)
    with transaction.atomic():
        session = ready.select_related("build").first()
        if session is None:
            return
        if is_first and not damaged:
            Build.objects.filter(sessions=session.pk, kernel_seen=False).update(kernel_died=True)
        message = f"{_dies()} {_damaged() if damaged else _advice(session)}"
        if ready.update(code=DEAD, message=message):
            journal.record(session, Phase.READY, message, code=DEAD)


def find_doubted(session_id: int) -> Session | None:
    """Return the session if it is starting, and kernels of its build have died and never worked."""
    starting = Session.objects.filter(pk=session_id, state=SessionState.SPAWNING)
    doubted = starting.filter(build__kernel_died=True, build__kernel_seen=False)
    return doubted.select_related("project", "build").first()


def record_hold(session: Session) -> None:
    """Tell the person why a notebook that answers does not open yet."""
    message = _(
        "JupyterLab answers. The kernel died in another notebook of this environment, so it is "
        "tried first; this takes up to a minute."
    )
    journal.record(session, Phase.LAUNCHING, message)


def release(report: ServerReport, *, works: bool | None) -> None:
    """Let the held start of a notebook continue; ``works`` is whether its kernel does, if known."""
    session = find_doubted(report.id)
    if session and works:
        Build.objects.filter(sessions=session.pk).update(kernel_seen=True)
    if session and works is False and _end_held(session):
        return
    observations.handle_server_report(report)
    if session and works is False:
        record_dead(session.pk)


def _end_held(session: Session) -> bool:
    """End a start whose kernel has died, if another one is tried or the build is bad.

    Whoever has asked for safe mode gets in all the same: it is their way to their files. Their
    kernel says nothing about the build, as its start script is left out.
    """
    if safe_mode.drop_if_damaged(session.build) and safe_mode.build_again(session, by="watch"):
        get_backend().remove_server(session.pk)
        return True
    if not session.safe_mode:
        if repeated := safe_mode.repeat(session, DEAD, _dies(), by="watch"):
            get_backend().kill_server(session.pk)  # the next one uses the same files
        return repeated
    message = _mark_bad(session) if safe_mode.tries_kernel(session) else ""
    if not message:
        return False
    fail(session, BAD_BUILD, message, by="watch")
    get_backend().remove_server(session.pk)
    return True


def _mark_bad(session: Session) -> str:
    """Mark the build as bad and return why; "" if somebody has seen its kernel work."""
    message = _(
        "The kernel of this environment dies when it starts, also in safe mode, so no code could "
        "run in the notebook. Change the versions that the repository pins. Rebuilding tries the "
        "same commit again."
    )
    unseen = Build.objects.filter(sessions=session.pk, kernel_seen=False)
    if not unseen.update(code=BAD_BUILD, message=message):
        return ""
    log.warning("the kernel of build %s dies: the build is bad", session.build_id)
    return message


def _dies() -> str:
    return _(
        "The kernel dies each time it is started, so no code can run in this notebook. JupyterLab "
        "works, and your files are safe."
    )


def _damaged() -> str:
    return _(
        "The files of JupyterLab that all environments here share were damaged on the portal's "
        "disk, which is not the repository's fault. Stop the notebook and start it again: its "
        "environment is then built anew."
    )


def _advice(session: Session) -> str:
    if session.safe_mode:
        return _(
            "Nothing of yours was loaded. If the repository's start script sets what the kernel "
            "needs, start the notebook as usual. If a file in the notebook's folder has the name "
            "of a module that the kernel loads, such as ipykernel_launcher.py, rename it. "
            "Otherwise, change the versions that the repository pins, and rebuild."
        )
    return _(
        "Packages in your home (~/.local), your own configuration or the repository's start script "
        "may be the reason: stop the notebook, and start it in safe mode, which leaves them out. "
        "If code runs there, remove what you installed or changed last. If not, rename files in "
        "the notebook's folder that have the name of a module that the kernel loads, such as "
        "ipykernel_launcher.py, or change the versions that the repository pins."
    )
