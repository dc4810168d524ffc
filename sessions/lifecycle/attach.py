"""Giving a session its build: a finished one, one in progress, or a new one.

Everything that a launch needs is settled here in one transaction: what the notebook will get
and whether there is room for it, before anything is built.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from quotas.resources import Resources
from sessions import journal
from sessions.backends import get_backend
from sessions.errors import TemporaryError
from sessions.gitremote import Resolved
from sessions.lifecycle import facts, room
from sessions.lifecycle.queue import enqueue
from sessions.models import Build, Project, Session
from sessions.names import image_name
from sessions.states import BuildState, Phase, SessionState
from sessions.waits import BUILDS


def attach(
    session: Session, found: Resolved, text: str, wanted: Resources, warnings: Sequence[str]
) -> None:
    """Have the session wait for the build of its commit, or go on if there is one.

    ``text`` is the repository's ``.resources``, from which ``wanted`` and ``warnings`` follow.
    Raises `QuotaExceeded` where there is no room for the notebook.
    """
    build = None if session.force_build else _finished_build(session.project, found.commit)
    with transaction.atomic():
        room.admit_notebook(session.project.owner, wanted, beside=session)
        build = build or _active_build(session, found, text)
        if build is None:
            _wait_for_turn(session)
        elif _claim(session, build, wanted):
            Project.objects.filter(pk=session.project_id).update(
                commit=found.commit, ref=found.ref, path=found.path, tail=""
            )
            for warning in warnings:
                journal.record(session, Phase.WAITING, warning)
            _go_on(session, build)


def _claim(session: Session, build: Build, wanted: Resources) -> bool:
    """Whether the session had no build so far; whoever comes second changes nothing."""
    unclaimed = Session.objects.filter(pk=session.pk, state=SessionState.WAITING, build=None)
    return bool(unclaimed.update(build=build, code="", message="", **asdict(wanted)))


def _go_on(session: Session, build: Build) -> None:
    if build.state == BuildState.BUILT:
        facts.settle(build)
        return
    message = _("Building the environment of commit %(commit)s.")
    message %= {"commit": build.commit[:7]}
    journal.record(session, Phase.FETCHING, message, build=build)
    enqueue("start_build", build.pk)


def _finished_build(project: Project, commit: str) -> Build | None:
    build = Build.objects.newest_built(project, commit)
    if build and _is_absent(build.image):
        Build.objects.filter(pk=build.pk).update(dropped=True)
        return None
    return build


def _is_absent(image: str) -> bool:
    """Whether the image is known to be gone. While nobody can say, it counts as there: a
    machine may have it, and if not, the spawn says so."""
    try:
        return not get_backend().has_image(image)
    except TemporaryError:
        return False


def _active_build(session: Session, found: Resolved, text: str) -> Build | None:
    """The build in progress, or a new one; None while the person has too many."""
    project = session.project
    active = Build.objects.active().of(project).filter(commit=found.commit)
    build = active.select_for_update().first()
    if build or not room.has_turn_to_build(project.owner):
        return build
    try:
        with transaction.atomic():
            return Build.objects.create(
                owner=project.owner if project.is_private else None,
                url=project.url,
                ref=found.ref,
                commit=found.commit,
                image=image_name(project.repository, found.commit),
                fresh=session.force_build,
                resources=text,
            )
    except IntegrityError:  # somebody else was quicker, between the look and the insertion
        return active.get()


def _wait_for_turn(session: Session) -> None:
    """Say once that the session waits for others of its owner's builds to end."""
    message = _("Waiting for one of your other builds to end.")
    waiting = Session.objects.filter(pk=session.pk, state=SessionState.WAITING, build=None)
    if waiting.exclude(code=BUILDS).update(code=BUILDS, message=message):
        journal.record(session, Phase.WAITING, message, code=BUILDS)
