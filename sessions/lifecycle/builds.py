"""Give a session its build: a finished one, one in progress, or a new one.

One transaction settles everything that a launch needs, before anything is built: the notebook's
resources and whether there is room for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.lib.db import retry_after_deadlock
from portal.lib.text import storable
from quotas.resources import Resources
from sessions import capacity
from sessions.backends import get_backend
from sessions.backends.messages import BUILD_LIMIT, NO_SPACE
from sessions.errors import TemporaryError
from sessions.git.resolve import ResolvedRef
from sessions.models import Build, Project, Session
from sessions.names import image_name
from sessions.progress import journal
from sessions.states import BuildState, Phase, SessionState

from . import admission, observations
from .admission import Contents
from .queue import enqueue


@retry_after_deadlock
def attach_build(
    session: Session,
    resolved: ResolvedRef,
    contents: Contents,
    wanted: Resources,
    warnings: Sequence[str],
) -> None:
    """Have the session wait for the build of its commit, or continue at once if one is finished.

    The build of another commit also serves if the two differ only in ``.resources``. ``contents``
    are those of the commit, from which ``wanted`` and ``warnings`` follow. Raises `QuotaExceeded`
    if there is no room for the notebook.
    """
    kept = (
        None if session.force_build else _finished_build(session.project, resolved.commit, contents)
    )
    with transaction.atomic():
        admission.lock(session.project.owner, excluding=session).admit_notebook(wanted)
        build = (kept and _hold_image(kept)) or _active_build(session, resolved, contents)
        if build is not None and _claim(session, build, wanted):
            _store_resolved(session.project, resolved, contents)
            for said in (*warnings, *_reuse_message(build, resolved)):
                journal.record(session, Phase.WAITING, said)
            if build.state != BuildState.BUILT:
                _begin_build(session, build)
    if build is not None:
        observations.continue_sessions(build)  # each in a transaction of its own


def _store_resolved(project: Project, found: ResolvedRef, contents: Contents) -> None:
    Project.objects.filter(pk=project.pk).update(
        commit=found.commit,
        ref=found.ref,
        path=found.path,
        tail="",
        resources=storable(contents.resources),
        content=contents.content,
    )


def _reuse_message(build: Build, found: ResolvedRef) -> Iterator[str]:
    """Yield the message for a session whose build is of another commit."""
    if build.commit != found.commit:
        message = _(
            "Commit %(commit)s has the same files as commit %(other)s, except perhaps .resources, "
            "so no new build is needed: the notebook gets the environment and files of %(other)s, "
            "and the resources that %(commit)s asks for."
        )
        yield message % {"commit": found.commit[:7], "other": build.commit[:7]}


def _claim(session: Session, build: Build, wanted: Resources) -> bool:
    """Give the session this build; return False if it already had one, and change nothing then."""
    unclaimed = Session.objects.filter(pk=session.pk, state=SessionState.WAITING, build=None)
    return bool(unclaimed.update(build=build, code="", message="", **asdict(wanted)))


def _begin_build(session: Session, build: Build) -> None:
    message = _("Building the environment of commit %(commit)s.")
    message %= {"commit": build.commit[:7]}
    journal.record(session, Phase.FETCHING, message, build=build)
    enqueue("start_build", build.pk)


def _hold_image(build: Build) -> Build | None:
    """Return the build, or None if its image has been dropped meanwhile.

    From now on the image stays, since `sessions.retention.images` looks at the same row and at who
    uses it.
    """
    kept = Build.objects.with_image().filter(pk=build.pk)
    return build if kept.update(used=timezone.now()) else None


def _finished_build(project: Project, commit: str, contents: Contents) -> Build | None:
    build = Build.objects.newest_built(project, commit, contents.content)
    if build and _is_absent(build.image):
        Build.objects.filter(pk=build.pk).update(dropped=True)
        return None
    return build


def _is_absent(image: str) -> bool:
    """Return whether the image is known to be gone.

    While nobody can tell, it counts as there: a machine may have it, and if not, the spawn says so.
    """
    try:
        return not get_backend().has_image(image)
    except TemporaryError:
        return False


def _active_build(session: Session, found: ResolvedRef, contents: Contents) -> Build | None:
    """Return the build in progress, or a new one.

    Return None if none can be started at present; the session then says why.
    """
    project = session.project
    content = "" if session.force_build else contents.content
    active = Build.objects.active().usable_by(project).with_content(found.commit, content)
    if build := active.select_for_update(no_key=True).first():
        return build
    if not admission.may_start_build(project.owner):
        _wait(session, BUILD_LIMIT, _("Waiting for one of your other builds to finish."))
        return None
    if capacity.is_disk_nearly_full():
        _wait(session, NO_SPACE, capacity.no_space_message())
        return None
    try:
        with transaction.atomic():
            return Build.objects.create(
                owner=project.owner if project.is_private else None,
                url=project.url,
                ref=found.ref,
                commit=found.commit,
                image=image_name(project.repository, found.commit),
                fresh=session.force_build,
                resources=storable(contents.resources),
                content=contents.content,
            )
    except IntegrityError:  # another launch inserted it first
        return active.filter(commit=found.commit).get()


def _wait(session: Session, code: str, message: str) -> None:
    """Record once why a build cannot be started yet. `lookups.prepare` is tried again."""
    waiting = Session.objects.filter(pk=session.pk, state=SessionState.WAITING, build=None)
    if waiting.exclude(code=code).update(code=code, message=message):
        journal.record(session, Phase.WAITING, message, code=code)
