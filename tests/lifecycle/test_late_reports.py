"""Late reports: after the end of a run, reports from the back end change nothing any more."""

from __future__ import annotations

from typing import Any

import pytest

from portal.models import User
from quotas import changes
from sessions import lifecycle
from sessions.backends import BuildReport, ServerReport
from sessions.lifecycle import observations, steps
from sessions.models import Build, Project, Session
from sessions.states import BuildState, ProjectState, SessionState
from tests.stages import project_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("backend"), pytest.mark.databases]

BUILT, FAILED = "", "build.requirements"


def how_it_is() -> tuple[list[Any], list[Any], list[str]]:
    """Return all rows that a report could change, with their transitions."""
    builds = Build.objects.values("state", "code", "message", "digest", "pack", "finished")
    sessions = Session.objects.values("state", "code", "message", "address", "ready", "ended")
    transitions = [f"{move}" for build in Build.objects.all() for move in build.transitions.all()]
    transitions += [f"{move}" for run in Session.objects.all() for move in run.transitions.all()]
    return list(builds), list(sessions), transitions


def building(owner: User) -> Build:
    project_in(ProjectState.BUILDING, owner)
    return Build.objects.get()


def report(build: Build, code: str) -> BuildReport:
    return BuildReport(build.pk, finished=True, code=code, message="late", buildpack="Python")


@pytest.mark.parametrize("code", [BUILT, FAILED])
@pytest.mark.parametrize("given", ["by staff", "because nobody waits"])
def test_a_cancelled_build_stays_cancelled(ada, stan, given, code):
    build = building(ada)
    if given == "by staff":
        lifecycle.cancel_build(build, stan)
    else:
        lifecycle.stop(Project.objects.get(), ada)
        steps.cancel_unwanted_build(build.pk)
    before = how_it_is()
    assert Build.objects.get().state == BuildState.CANCELLED
    # watch had read the row while the build was going on, or reads it now
    observations.store_build_result(build, report(build, code))
    observations.handle_build_report(report(build, code))
    assert how_it_is() == before
    assert Project.objects.get().state in {ProjectState.FAILED, ProjectState.STOPPED}


@pytest.mark.parametrize("ended", [BUILT, FAILED])
@pytest.mark.parametrize("late", [BUILT, FAILED, "cancelled"])
def test_a_finished_build_ignores_later_reports(ada, ended, late):
    build = building(ada)
    observations.store_build_result(build, report(build, ended))
    before = how_it_is()
    observations.store_build_result(build, report(build, late))
    observations.handle_build_report(report(build, late))
    assert how_it_is() == before


@pytest.mark.parametrize("state", [ProjectState.STOPPED, ProjectState.FAILED])
@pytest.mark.parametrize("reported", ["starting", "ready", "gone"])
def test_an_ended_notebook_ignores_later_reports(ada, state, reported):
    session = project_in(state, ada).current
    before = how_it_is()
    observations.handle_server_report(
        ServerReport(session.pk, "ada-1", reported, address="unix:/late")
    )
    assert how_it_is() == before


def test_a_stopping_notebook_does_not_become_ready(ada):
    session = project_in(ProjectState.STOPPING, ada).current
    before = how_it_is()
    observations.handle_server_report(
        ServerReport(session.pk, "ada-1", "ready", address="unix:/late")
    )
    assert how_it_is() == before


def test_a_cancelled_launch_is_not_started_by_its_build(ada, bob):
    """The build was somebody else's, too, and has gone on for them."""
    build, theirs = building(ada), lifecycle.launch(bob, "ada/flowers")
    mine = Project.objects.get(owner=ada)
    Session.objects.filter(project=theirs).update(build=build)
    lifecycle.cancel(mine, ada)
    observations.store_build_result(build, report(build, BUILT))
    states = dict(Session.objects.values_list("project__owner__username", "state"))
    assert states == {"ada": SessionState.STOPPED, "bob": SessionState.SPAWNING}


def test_sessions_waiting_for_a_cancelled_build_fail(ada):
    """Somebody cancelled the build, and the process ended before it could tell anybody."""
    build = building(ada)
    assert Build.objects.advance(build.pk, BuildState.CANCELLED, by="stan")
    observations.store_build_result(build, report(build, BUILT))
    session = Session.objects.get()
    assert (session.state, session.code) == (SessionState.FAILED, "build.cancelled")


def test_a_build_that_runs_on_after_its_end_is_stopped(ada, stan, backend):
    build = building(ada)
    lifecycle.cancel_build(build, stan)
    backend.build_reports[build.pk] = BuildReport(build.pk)
    backend.say(build.pk, "more of it")
    before = how_it_is()
    observations.handle_build_report(BuildReport(build.pk))
    assert backend.build_reports[build.pk].finished
    assert how_it_is() == before
    assert Build.objects.get().chunks == build.chunks


@pytest.mark.parametrize("state", [ProjectState.SPAWNING, ProjectState.READY])
def test_continuing_a_build_twice_leaves_started_sessions_alone(ada, state):
    """Although there would be no room for them today."""
    project_in(state, ada)
    changes.set_own_limits(ada, {"running": 0, "total_cpu": 0})
    before = how_it_is()
    observations.continue_sessions(Build.objects.get())
    assert how_it_is() == before


def running_at(address: str, uid: str, ada: User) -> Session:
    session = project_in(ProjectState.SPAWNING, ada).current
    assert session is not None
    name = session.project.name
    observations.handle_server_report(ServerReport(session.pk, name, "ready", address, uid=uid))
    session.refresh_from_db()
    assert (session.state, session.address) == (SessionState.READY, address)
    return session


def seen(session: Session, address: str, uid: str) -> Session:
    name = session.project.name
    observations.handle_server_report(ServerReport(session.pk, name, "ready", address, uid=uid))
    session.refresh_from_db()
    return session


@pytest.mark.parametrize("address", ["http://10.0.0.1:8888", "http://10.0.0.2:8888"])
def test_another_server_of_the_same_name_ends_the_notebook(ada, backend, address):
    session = seen(running_at("http://10.0.0.1:8888", "ours", ada), address, "theirs")
    assert (session.state, session.code) == (SessionState.FAILED, "spawn.deleted")
    assert session.pk not in {report.id for report in backend.servers()}


def test_the_address_of_the_same_server_is_followed(ada, backend):
    session = seen(running_at("http://10.0.0.1:8888", "ours", ada), "http://10.0.0.2:8888", "ours")
    assert (session.state, session.address) == (SessionState.READY, "http://10.0.0.2:8888")


def test_a_server_from_before_the_update_is_known_by_its_address(ada, backend):
    session = seen(running_at("http://10.0.0.1:8888", "", ada), "http://10.0.0.1:8888", "ours")
    assert (session.state, session.server_uid) == (SessionState.READY, "ours")
    session = seen(running_at("http://10.0.0.3:8888", "", ada), "http://10.0.0.4:8888", "theirs")
    assert session.state == SessionState.FAILED
