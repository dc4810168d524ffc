"""A build alone, as BinderHub's clients ask for with ``build_only``: no notebook follows."""

from __future__ import annotations

import pytest

from quotas import changes
from quotas.resources import Resources
from sessions import lifecycle
from sessions.errors import QuotaExceeded
from sessions.models import Build, Project, Session
from sessions.providers import launch_link, parse_repository
from sessions.states import ProjectState

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def link(url) -> str:
    return launch_link(parse_repository(url))


def build_of(ada, link, backend, worker, watch) -> Project:
    """Return ada's project after a build alone has ended."""
    lifecycle.launch_link(ada, link, build_only=True)
    worker.run()
    for build in Build.objects.active():
        backend.finish(build.pk)
    watch.look()
    worker.run()
    return Project.objects.get()


def phases(project: Project) -> list[str]:
    return list(project.events.values_list("phase", flat=True))


def test_a_build_alone_starts_no_notebook(ada, link, backend, worker, watch):
    project = build_of(ada, link, backend, worker, watch)
    assert (project.state, project.current.code) == ("stopped", "")
    assert phases(project) == ["waiting", "fetching", "built", "stopped"]
    assert backend.builds_started == 1
    assert not backend.started_servers
    assert backend.has_image(project.current.build.image)


def test_one_of_a_built_commit_ends_at_once(ada, link, backend, worker, watch):
    build_of(ada, link, backend, worker, watch)
    project = build_of(ada, link, backend, worker, watch)
    assert project.state == "stopped"
    assert project.current == Session.objects.latest("pk")
    assert phases(project)[-3:] == ["waiting", "built", "stopped"]
    assert backend.builds_started == 1
    assert not backend.started_servers


def test_a_launch_afterwards_is_the_same_project_and_needs_no_build(
    ada, link, backend, worker, watch, bring_up
):
    build_of(ada, link, backend, worker, watch)
    project = bring_up(lifecycle.launch_link(ada, link))
    assert project == Project.objects.get()
    assert project.state == "ready"
    assert backend.builds_started == 1


def test_it_leaves_a_running_notebook_alone_and_builds_what_the_ref_means_now(
    ada, link, git, backend, worker, watch, bring_up
):
    running = bring_up(lifecycle.launch_link(ada, link))
    git.repository("ada/flowers", {"index.ipynb": '{"new": 1}'})
    other = lifecycle.launch_link(ada, link, build_only=True)
    assert lifecycle.launch_link(ada, link, build_only=True) == other != running
    worker.run()
    assert Build.objects.active().get().commit == git.commit("ada/flowers")
    assert lifecycle.launch_link(ada, link) == running
    assert Project.objects.get(pk=running.pk).state == "ready"


def test_a_launch_meanwhile_shares_the_build_and_gets_its_notebook(ada, link, bring_up, backend):
    alone = lifecycle.launch_link(ada, link, build_only=True)
    project = bring_up(lifecycle.launch_link(ada, link))
    assert project.state == "ready"
    assert Project.objects.get(pk=alone.pk).state == ProjectState.STOPPED
    assert backend.builds_started == 1
    assert list(backend.started_servers) == [project.current.pk]


def test_it_needs_no_room_for_a_notebook_but_for_a_project(ada, link, backend):
    changes.set_own_limits(ada, {"running": 0, "projects": 1})
    with pytest.raises(QuotaExceeded):
        lifecycle.launch_link(ada, link)
    project = lifecycle.launch_link(ada, link, build_only=True)
    assert project.current.resources == Resources(0, 0, 0, 0)
    changes.set_own_limits(ada, {"running": 1, "projects": 1})
    with pytest.raises(QuotaExceeded) as refusal:
        lifecycle.launch_link(ada, link)
    assert refusal.value.code == "quota.projects"


def test_a_failed_build_is_told(ada, link, backend, worker, watch):
    lifecycle.launch_link(ada, link, build_only=True)
    worker.run()
    backend.finish(Build.objects.get().pk, "build.requirements", "nonsense==1 is no package.")
    watch.look()
    project = Project.objects.get()
    assert (project.state, project.current.code) == ("failed", "build.requirements")
