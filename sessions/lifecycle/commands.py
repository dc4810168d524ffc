"""Do what a person asks for, in the database only: nothing here waits for anything outside it.

Each command raises `NotAllowed` if the person may see the thing but may not do this with it.
Whether they may see it is for the caller to check.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from keys import keypairs
from portal.lib.db import retry_after_deadlock
from portal.models import User
from sessions import providers
from sessions.backends import get_backend
from sessions.errors import NotAllowed, NotYet, StateConflict, TemporaryError
from sessions.installation import ownership
from sessions.models import Build, Project, RepositoryRule, Session
from sessions.models.sources import content_columns
from sessions.names import project_name
from sessions.progress import journal
from sessions.providers import Repository, parse_launch_link, parse_repository
from sessions.states import BuildState, Phase, ProjectState

from . import admission, ending, observations
from .admission import UserQuota
from .queue import enqueue


@retry_after_deadlock
def launch(
    user: User,
    repository: str,
    ref: str = "",
    path: str = "",
    *,
    urlpath: str = "",
    content: str = "",
) -> Project:
    """Create a project from a repository's address as a person writes it, and start it.

    ``content`` is the address of another repository, whose files it gets. Raises `UserError` if an
    address is not understood or not allowed, `QuotaExceeded` at a limit; nothing is left behind
    then.
    """
    parsed = parse_repository(repository, ref, path, urlpath=urlpath, content=content)
    RepositoryRule.objects.require_allowed(parsed)
    _require_backend()
    with transaction.atomic():
        return _create(user, parsed, admission.lock(user))


@retry_after_deadlock
def launch_link(user: User, link: str, *, build_only: bool = False) -> Project:
    """Run what a launch link names, for a program that may ask for the same link again.

    If this person has a project of the link already, it is the one: as it runs, or started anew
    with what its ref means now. With ``build_only``, only its environment is built; a project that
    runs stays as it is, and another one builds. Raises what `launch` raises, and `NotYet` while it
    is being stopped.
    """
    parsed = parse_launch_link(link)
    RepositoryRule.objects.require_allowed(parsed)
    _require_backend()
    digest = hashlib.sha256(providers.launch_link(parsed).encode()).hexdigest()
    with transaction.atomic():
        mine = admission.lock(user)
        project = _project_of_link(user, digest, build_only=build_only)
        if project is None:
            return _create(user, parsed, mine, digest, build_only=build_only)
        if project.state == ProjectState.STOPPING:
            message = _("The notebook is being stopped. Ask again in some seconds.")
            raise NotYet("project.state", message, retry_after=5)
        if not project.is_live:
            project.commit, project.ref, project.tail = "", parsed.ref, parsed.ambiguous_tail
            project.path, project.urlpath = parsed.path, parsed.urlpath
            content = content_columns(parsed.content_source)
            for name, value in content.items():
                setattr(project, name, value)
            project.save(update_fields=["commit", "ref", "tail", "path", "urlpath", *content])
            project.current = _begin(project, user, mine, build_only=build_only)
        return project


def _project_of_link(user: User, digest: str, *, build_only: bool) -> Project | None:
    """Return the person's project of a link: one that is live in this way, else an ended one."""
    own = Project.objects.existing().filter(owner=user, link=digest)
    found = own.select_related("owner", "current__build").order_by("-pk")
    ended = [project for project in found if not project.is_live]
    live = [
        project
        for project in found
        if project.is_live and project.current and project.current.build_only == build_only
    ]
    return next(iter([*live, *ended]), None)


def _create(
    user: User, parsed: Repository, mine: UserQuota, link: str = "", *, build_only: bool = False
) -> Project:
    mine.admit_project()
    keypairs.ensure(user)
    project = Project.objects.create(
        owner=user,
        name=project_name(parsed.repository),
        provider=parsed.provider,
        repository=parsed.repository,
        url=parsed.url,
        ref=parsed.ref,
        path=parsed.path,
        tail=parsed.ambiguous_tail,
        urlpath=parsed.urlpath,
        link=link,
        **content_columns(parsed.content_source),
    )
    project.current = _begin(project, user, mine, build_only=build_only)
    return project


def start(project: Project, user: User, *, safe_mode: bool = False) -> Project:
    """Run a project that is stopped or has failed.

    ``safe_mode`` leaves out what may keep it from starting (`sessions.jupyter`). Raises
    `StateConflict` if it is live, and whatever `launch` raises.
    """
    why = _("Started in safe mode by %(user)s.") % {"user": user.username} if safe_mode else ""
    return _start(project, user, safe_mode=why)


def rebuild(project: Project, user: User) -> Project:
    """Run the project with a new build of the commit that its ref points to now.

    No earlier image is used. Raises what `start` raises.
    """
    return _start(project, user, force_build=True)


def stop(project: Project, user: User) -> Project:
    """End the running session. Raises `StateConflict` if there is none."""
    _require_right(project, user)
    if not ending.end(project, user.username, _("Stopped by %(user)s.") % {"user": user.username}):
        raise _conflict(project, _("The notebook is not running, so there is nothing to stop."))
    return project


def cancel(project: Project, user: User) -> Project:
    """Cancel a launch whose environment is not ready yet. Raises `StateConflict` if it is."""
    _require_right(project, user)
    if project.state not in {ProjectState.WAITING, ProjectState.BUILDING}:
        raise _conflict(
            project, _("The project is not being built, so there is nothing to cancel.")
        )
    return stop(project, user)


def keep(project: Project, user: User) -> Project:
    """Note that the person still wants the project.

    Raises `StateConflict` if it has just been deleted.
    """
    _require_right(project, user)
    if not Project.objects.existing().filter(pk=project.pk).touch():
        message = _(
            "The project has been deleted in the meantime, so it cannot be kept. Restore it while "
            "you can, or launch its repository again. The files in your own folder are still "
            "there."
        )
        raise StateConflict("project.deleted", message)
    return project


@retry_after_deadlock
def delete(project: Project, user: User, *, for_good: bool = False) -> None:
    """Delete the project; a running notebook is stopped first, and the person's volume stays.

    The project can be restored for a few days, unless it is deleted ``for_good``. A project that is
    already deleted but can still be restored can be deleted for good, too.
    """
    _require_right(project, user)
    keep = timedelta(days=0 if for_good else settings.PORTAL_UNDO_DAYS)
    why = _("Deleted for good by %(user)s.") if for_good else _("Deleted by %(user)s.")
    why %= {"user": user.username}
    with transaction.atomic():
        if ending.remove(project, Project.objects.all(), user.username, why, keep):
            Project.objects.filter(pk=project.pk).update(warned=None, goes=None)
        elif for_good:
            ending.delete_for_good(project, why)


@retry_after_deadlock
def restore(project: Project, user: User) -> Project:
    """Undo a project's deletion: it is back with all its files, stopped, as if just used.

    Raises `QuotaExceeded` at the limit of projects, `StateConflict` if it is not deleted or is gone
    for good.
    """
    _require_right(project, user)
    with transaction.atomic():
        mine = admission.lock(project.owner)
        row = Project.objects.restorable().filter(pk=project.pk)
        if not row.exists():
            raise _not_restorable(project)
        mine.admit_project(again=True)
        now = {"last_activity": timezone.now(), "warned": None, "goes": None}
        if not row.update(removed=None, drops=None, **now):  # it has just been released
            raise _not_restorable(project)
        if project.current:
            why = _("Restored by %(user)s.") % {"user": user.username}
            journal.record(project.current, Phase.STOPPED, why)
    project.refresh_from_db()
    return project


def cancel_build(build: Build, user: User) -> Build:
    """Cancel a build for everyone who waits for it.

    Raises `NotAllowed` if this person may not, `StateConflict` if it has ended.
    """
    if not build.may_be_cancelled_by(user):
        raise NotAllowed("build.look-only", _("You can view builds, but not cancel them."))
    why = _("Cancelled by %(user)s.") % {"user": user.username}
    failure = {
        "code": "build.cancelled",
        "message": _("The staff cancelled this build. Start it again later, or ask them why."),
    }
    with transaction.atomic():
        advance, now = Build.objects.advance, timezone.now()
        if not advance(
            build.pk, BuildState.CANCELLED, by=user.username, why=why, finished=now, **failure
        ):
            message = _("The build has already ended, so there is nothing to cancel.")
            raise StateConflict("build.state", message)
        enqueue("cancel_build", build.pk)
    cancelled = Build.objects.get(pk=build.pk)
    observations.continue_sessions(cancelled)  # each in a transaction of its own
    observations.requeue_launches(cancelled)
    return cancelled


def _not_restorable(project: Project) -> StateConflict:
    if Project.objects.existing().filter(pk=project.pk).exists():
        return _conflict(project, _("The project is not deleted, so there is nothing to restore."))
    message = _(
        "The project is gone for good, so it cannot be restored. Launch its repository again. The "
        "files in your own folder are still there."
    )
    return StateConflict("project.deleted", message)


def _require_right(project: Project, user: User) -> None:
    if not project.may_be_changed_by(user):
        message = _("This project belongs to %(owner)s. You can view it, but not change it.")
        raise NotAllowed("project.look-only", message % {"owner": project.owner.username})


@retry_after_deadlock
def _start(
    project: Project, user: User, *, force_build: bool = False, safe_mode: str = ""
) -> Project:
    _require_right(project, user)
    RepositoryRule.objects.require_allowed(project)
    _require_backend()
    if project.is_live:
        raise _running(project)
    try:
        with transaction.atomic():
            mine = admission.lock(project.owner)
            session = _begin(project, user, mine, force_build=force_build, safe_mode=safe_mode)
    except IntegrityError:
        raise _running(project) from None
    project.current = session
    return project


def _begin(
    project: Project,
    user: User,
    mine: UserQuota,
    *,
    force_build: bool = False,
    build_only: bool = False,
    safe_mode: str = "",
) -> Session:
    """Insert the project's next session, and return it."""
    text = admission.expected_text(project)
    wanted, _warnings = mine.admit_session(text, build_only=build_only)
    session = Session.objects.create(
        project=project,
        force_build=force_build,
        build_only=build_only,
        safe_mode=safe_mode,
        **asdict(wanted),
    )
    Project.objects.filter(pk=project.pk).update(
        current=session, last_activity=timezone.now(), warned=None, goes=None
    )
    message = _("Launched by %(user)s; looking for the commit.")
    journal.record(session, Phase.WAITING, message % {"user": user.username})
    enqueue("prepare", session.pk)
    return session


def _require_backend() -> None:
    for problem in get_backend().problems():
        message = _(
            "Notebooks cannot be started right now: %(problem)s Tell the staff, who can fix this."
        )
        raise TemporaryError(problem.id, message % {"problem": problem.message})
    if (status := ownership.recorded()) not in ownership.USABLE:
        raise ownership.refusal(status)


def _running(project: Project) -> StateConflict:
    return _conflict(project, _("The notebook is already running. Stop it first."))


def _conflict(project: Project, message: str) -> StateConflict:
    return StateConflict("project.state", message, state=project.state)
