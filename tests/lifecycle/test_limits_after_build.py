"""Limits are compared again after a build, which takes time, before the notebook starts."""

from __future__ import annotations

import pytest
from django_q.models import OrmQ

from quotas import changes
from sessions.backends import BuildReport
from sessions.lifecycle import observations
from sessions.models import Build, Project, Session
from sessions.states import ProjectState
from tests.stages import project_in

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("backend")]

RESOURCES = "cpur=2\ncpul=4\nmemr=3\nmeml=6\ngpu=1\n"
ENOUGH = {
    "max_cpu": 4, "max_memory_gb": 6, "max_gpu": 1,
    "total_cpu": 2, "total_memory_gb": 3, "total_gpu": 1, "running": 1,
}  # fmt: skip
"""Limits with room for this notebook and no other."""
LITTLE_LESS = {
    "max_cpu": (3.9, "resources.cpu"),
    "max_memory_gb": (5.9, "resources.memory"),
    "max_gpu": (0, "resources.gpu"),
    "total_cpu": (1.9, "quota.cpu"),
    "total_memory_gb": (2.9, "quota.memory"),
    "total_gpu": (0, "quota.gpu"),
    "running": (0, "quota.running"),
}


@pytest.fixture
def building(ada) -> Project:
    """A project that is building: the resources it asks for were found to fit."""
    project = project_in(ProjectState.BUILDING, ada)
    Project.objects.filter(pk=project.pk).update(resources=RESOURCES)
    changes.set_own_limits(ada, ENOUGH)
    OrmQ.objects.all().delete()
    return project


@pytest.fixture
def built(django_capture_on_commit_callbacks):
    """Return a function that reports the end of the build, and returns the session as it is
    then.
    """

    def end(project: Project) -> Session:
        build = Build.objects.get(sessions=project.current)
        with django_capture_on_commit_callbacks(execute=True):
            observations.store_build_result(build, BuildReport(build.pk, finished=True))
        return Session.objects.get(pk=project.current.pk)

    return end


def spawned() -> list[int]:
    tasks = [row.task for row in OrmQ.objects.all()]
    return [task["args"][0] for task in tasks if task["func"].endswith(".spawn")]


def test_a_session_within_its_limits_starts_and_is_not_counted_twice(building, built):
    session = built(building)
    assert (session.state, session.code) == ("spawning", "")
    assert spawned() == [session.pk]
    given = session.resources
    assert (given.cpu_request, given.cpu_limit, given.gpu) == (2, 4, 1)
    assert (given.memory_request_gb, given.memory_limit_gb) == (3, 6)


@pytest.mark.parametrize("limit", LITTLE_LESS)
def test_a_limit_lowered_during_the_build_applies(ada, building, limit, built):
    value, code = LITTLE_LESS[limit]
    changes.set_own_limits(ada, {limit: value})
    session = built(building)
    assert (session.state, session.code) == ("failed", code)
    assert session.message
    assert spawned() == []


@pytest.mark.parametrize(
    ("limit", "code"),
    [("total_cpu", "quota.cpu"), ("total_memory_gb", "quota.memory"), ("total_gpu", "quota.gpu"),
     ("running", "quota.running")],
)  # fmt: skip
def test_sessions_started_during_the_build_count(ada, building, limit, code, built):
    changes.set_own_limits(ada, dict.fromkeys(ENOUGH, 100))
    other = project_in(ProjectState.READY, ada, "ada/other")
    Session.objects.filter(pk=other.current.pk).update(cpu_request=2, memory_request_gb=3, gpu=1)
    changes.set_own_limits(ada, {limit: ENOUGH[limit]})
    OrmQ.objects.all().delete()
    assert built(building).code == code
    assert spawned() == []


def test_stopping_sessions_do_not_count(ada, building, built):
    changes.set_own_limits(ada, dict.fromkeys(ENOUGH, 100))
    project_in(ProjectState.STOPPING, ada, "ada/other")
    changes.set_own_limits(ada, ENOUGH)
    assert built(building).state == "spawning"


def test_other_peoples_sessions_do_not_count(bob, building, built):
    for number in range(3):
        project_in(ProjectState.READY, bob, f"bob/{number}")
    assert built(building).state == "spawning"
