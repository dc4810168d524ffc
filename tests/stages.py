"""Bring a project to any state that a page can find it in, without a back end."""

from __future__ import annotations

from django.utils import timezone

from portal.models import User
from sessions import lifecycle
from sessions.backends import LogLines
from sessions.lifecycle.ending import fail
from sessions.models import Build, Project, Session
from sessions.progress import journal
from sessions.states import BuildState, Phase, ProjectState, SessionState

COMMIT = "c0ffee" + "0" * 34
LOG = "Collecting numpy\nerror: no such package: nump\nbye"


def project_in(state: ProjectState, owner: User, repository: str = "ada/flowers") -> Project:
    """Return a project of ``owner`` in ``state``, with a build and a log once it has got that
    far.
    """
    project = lifecycle.launch(owner, repository)
    if state != ProjectState.WAITING:
        _go_on(project, state)
    return Project.objects.select_related("current__build", "owner").get(pk=project.pk)


def _go_on(project: Project, state: ProjectState) -> None:
    session, build = _building(project)
    if state == ProjectState.BUILDING:
        return
    if state == ProjectState.FAILED:
        ended = {"state": BuildState.FAILED, "code": "build.requirements"}
        Build.objects.filter(pk=build.pk).update(**ended, finished=timezone.now())
        fail(session, "build.requirements", "The packages cannot be installed.", by="watch")
        return
    Build.objects.filter(pk=build.pk).update(state=BuildState.BUILT, finished=timezone.now())
    for reached, phase, message in (
        (SessionState.SPAWNING, Phase.LAUNCHING, "Starting the notebook."),
        (SessionState.READY, Phase.READY, "Your notebook is ready."),
        (SessionState.STOPPING, None, ""),
        (SessionState.STOPPED, Phase.STOPPED, "The notebook has stopped."),
    ):
        Session.objects.advance(session.pk, reached, by="test")
        if phase:
            journal.record(session, phase, message, build=build)
        if reached.value == state.value:
            return


def _building(project: Project) -> tuple[Session, Build]:
    build = Build.objects.create(
        owner=project.owner if project.is_private else None,
        url=project.url,
        commit=COMMIT,
        image=project.name,
        state=BuildState.BUILDING,
        started=timezone.now(),
    )
    Session.objects.filter(project=project).update(build=build)
    Project.objects.filter(pk=project.pk).update(commit=COMMIT, ref="main")
    session = Session.objects.get(project=project)
    journal.record(session, Phase.FETCHING, "Building the environment.", build=build)
    journal.append(build, LogLines("building", LOG, "1"))
    return session, build
