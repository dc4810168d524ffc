"""What a person asks for. Nothing here waits for anything outside the database."""

from __future__ import annotations

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from portal.models import User
from quotas.admission import has_room
from quotas.limits import limits_of
from sessions import journal
from sessions.backends import get_backend
from sessions.errors import QuotaExceeded, StateConflict, TemporaryError
from sessions.lifecycle.queue import enqueue
from sessions.models import Project, Session
from sessions.names import project_name
from sessions.providers import understand
from sessions.states import Phase, ProjectState, SessionState


def launch(user: User, repository: str, ref: str = "", path: str = "") -> Project:
    """A new project from a repository's address as a person writes it, on its way to run.

    Raises `UserError` when the address is not understood, `QuotaExceeded` at the limit of
    projects; then nothing is left behind.
    """
    wish = understand(repository, ref, path)
    with transaction.atomic():
        mine = Project.objects.existing().filter(owner=user)
        if not has_room(user, mine.count):
            raise _no_room(user)
        project = Project.objects.create(
            owner=user,
            name=project_name(wish.repository),
            provider=wish.provider,
            repository=wish.repository,
            url=wish.url,
            ref=wish.ref,
            path=wish.path,
            tail=wish.ambiguous_tail,
        )
        _begin(project, user)
    return project


def start(project: Project, user: User) -> Project:
    """Run a project that is stopped or has failed. Raises `StateConflict` if it is live."""
    return _begin(project, user)


def rebuild(project: Project, user: User) -> Project:
    """Run it with a new build, from what its ref points to by now, using no earlier image."""
    return _begin(project, user, force_build=True)


def stop(project: Project, user: User) -> Project:
    """End the running session; raises `StateConflict` if there is none."""
    if not _end(project, user.username, _("Stopped by %(user)s.") % {"user": user.username}):
        raise _conflict(project, _("It is not running, so there is nothing to stop."))
    return project


def cancel(project: Project, user: User) -> Project:
    """Give up a launch whose environment is not there yet; raises `StateConflict` if it is."""
    if project.state not in {ProjectState.WAITING, ProjectState.BUILDING}:
        raise _conflict(project, _("It is not being built, so there is nothing to cancel."))
    return stop(project, user)


def keep(project: Project, user: User) -> Project:
    """Note that the person still wants it."""
    Project.objects.filter(pk=project.pk).touch()
    return project


def delete(project: Project, user: User) -> None:
    """Remove the project; a running notebook is stopped first, the person's volume stays."""
    with transaction.atomic():
        if not Project.objects.existing().filter(pk=project.pk).update(removed=timezone.now()):
            return
        _end(project, user.username, _("Deleted by %(user)s.") % {"user": user.username})
        enqueue("remove_project", project.pk)


def _begin(project: Project, user: User, *, force_build: bool = False) -> Project:
    _require_backend()
    limits = limits_of(project.owner)
    try:
        with transaction.atomic():
            session = Session.objects.create(
                project=project,
                force_build=force_build,
                cpu_request=limits.cpu_request,
                cpu_limit=limits.cpu_limit,
                memory_request_gb=limits.memory_request_gb,
                memory_limit_gb=limits.memory_limit_gb,
                gpu=limits.gpu,
            )
            Project.objects.filter(pk=project.pk).update(
                current=session, last_activity=timezone.now()
            )
            message = _("Launched by %(user)s; looking for the commit.")
            journal.record(session, Phase.WAITING, message % {"user": user.username})
            enqueue("prepare", session.pk)
    except IntegrityError:
        raise _conflict(project, _("It is running already. Stop it first.")) from None
    project.current = session
    return project


def _require_backend() -> None:
    for problem in get_backend().problems():
        message = _("Notebooks cannot be started at present: %(problem)s The staff can mend this.")
        raise TemporaryError(problem.id, message % {"problem": problem.message})


def _end(project: Project, by: str, why: str) -> bool:
    """Move the live session toward its end; False if none is live."""
    session = Session.objects.live().filter(project=project).first()
    if session is None:
        return False
    advance = Session.objects.advance
    with transaction.atomic():
        if advance(session.pk, SessionState.STOPPED, by=by, why=why, ended=timezone.now()):
            journal.record(session, Phase.STOPPED, why)
            if session.build_id:
                enqueue("cancel_unwanted_build", session.build_id)
        elif advance(session.pk, SessionState.STOPPING, by=by, why=why):
            enqueue("remove_server", session.pk)
    project.current = Session.objects.select_related("build").get(pk=session.pk)
    return True


def _conflict(project: Project, message: str) -> StateConflict:
    return StateConflict("project.state", message, state=project.state)


def _no_room(user: User) -> QuotaExceeded:
    mine = Project.objects.visible_to(user).filter(owner=user).order_by("-last_activity")
    limit = limits_of(user).projects
    return QuotaExceeded(
        "quota.projects",
        _("You have %(used)d of %(limit)d projects. Delete one to launch another.")
        % {"used": len(mine), "limit": limit},
        limit=limit,
        in_use=len(mine),
        projects=[
            {"name": each.name, "repository": each.repository, "state": each.state} for each in mine
        ],
    )
