"""Commits that differ only in ``.resources`` share what was built for one of them."""

from __future__ import annotations

import pytest

from quotas.models import LimitSet
from sessions import lifecycle
from sessions.models import Build, Project

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.one_database]

NAME = "ada/shared"
FILES = {"index.ipynb": "{}", "requirements.txt": "numpy"}


@pytest.fixture(autouse=True)
def limits(db):
    LimitSet.objects.create(
        max_gpu=2, total_gpu=4, projects=100, running=100, total_cpu=1000, total_memory_gb=1000
    )


@pytest.fixture
def commit(git):
    """Return a function that makes a commit of these files and returns its id."""

    def make(name: str = NAME, **files: str) -> str:
        git.repository(name, {**FILES, **files})
        return git.commit(name)

    return make


@pytest.fixture
def launched(git, bring_up):
    def up(user, name: str = NAME) -> Project:
        return bring_up(lifecycle.launch(user, git.url(name)))

    return up


def asked_gpus(project: Project) -> int:
    return project.current.resources.gpu


def test_a_commit_that_changes_only_resources_is_not_rebuilt(ada, bob, backend, commit, launched):
    first = commit(**{".resources": "gpu=1\n"})
    one = launched(ada)
    second = commit(**{".resources": "gpu=2\n"})
    other = launched(bob)
    assert backend.builds_started == 1
    assert (one.state, other.state) == ("ready", "ready")
    assert (one.commit, other.commit) == (first, second)
    assert (asked_gpus(one), asked_gpus(other)) == (1, 2)
    assert {spec.commit for spec in backend.started_servers.values()} == {first}


def test_the_timeline_names_the_commit_whose_environment_is_used(
    ada, bob, backend, commit, launched
):
    first = commit(**{".resources": "gpu=1\n"})
    launched(ada)
    second = commit(**{".resources": "gpu=2\n"})
    said = launched(bob).events.filter(message__contains="has the same files").get().message
    assert second[:7] in said and first[:7] in said


def test_a_restart_keeps_the_commits_own_resources(
    ada, bob, backend, commit, launched, worker, watch, bring_up
):
    commit(**{".resources": "gpu=1\n"})
    launched(ada)
    commit(**{".resources": "gpu=2\n"})
    project = launched(bob)
    lifecycle.stop(project, bob)
    worker.run()
    watch.look()
    again = bring_up(lifecycle.start(Project.objects.get(pk=project.pk), bob))
    assert (again.state, asked_gpus(again)) == ("ready", 2)
    assert backend.builds_started == 1


def test_a_restart_sends_no_request_to_the_git_server(
    ada, bob, git, backend, commit, launched, worker, watch, bring_up
):
    commit(**{".resources": "gpu=1\n"})
    launched(ada)
    commit(**{".resources": "gpu=2\n"})
    project = launched(bob)
    lifecycle.stop(project, bob)
    worker.run()
    watch.look()
    asked = len(git.requests)
    bring_up(lifecycle.start(Project.objects.get(pk=project.pk), bob))
    assert len(git.requests) == asked


def test_a_reverted_branch_is_not_rebuilt(ada, bob, backend, commit, launched):
    first = commit()
    launched(ada)
    commit(more="1")
    back = commit()
    project = launched(bob)
    assert project.commit == back != first
    assert backend.builds_started == 1


def test_a_change_of_any_other_file_is_built(ada, bob, backend, commit, launched):
    commit(**{".resources": "gpu=1\n"})
    launched(ada)
    commit(**{".resources": "gpu=1\n", "requirements.txt": "scipy"})
    launched(bob)
    assert backend.builds_started == 2


def test_the_same_files_of_another_repository_are_built(ada, bob, backend, commit, launched):
    commit()
    launched(ada)
    commit("ada/copy")
    launched(bob, "ada/copy")
    assert backend.builds_started == 2


def test_a_commit_with_the_same_content_joins_a_running_build(
    ada, bob, git, backend, commit, worker, watch
):
    commit(**{".resources": "gpu=1\n"})
    lifecycle.launch(ada, git.url(NAME))
    worker.run()
    commit(**{".resources": "gpu=2\n"})
    lifecycle.launch(bob, git.url(NAME))
    worker.run()
    backend.finish(Build.objects.get().pk)
    watch.look()
    worker.run()
    gpus = [spec.resources.gpu for spec in backend.started_servers.values()]
    assert sorted(gpus) == [1, 2]


def test_a_rebuild_builds_even_the_same_content(
    ada, git, backend, commit, launched, worker, watch, bring_up
):
    commit(**{".resources": "gpu=1\n"})
    project = launched(ada)
    lifecycle.stop(project, ada)
    worker.run()
    watch.look()
    second = commit(**{".resources": "gpu=2\n"})
    project = bring_up(lifecycle.rebuild(Project.objects.get(), ada))
    assert (project.commit, asked_gpus(project)) == (second, 2)
    assert backend.builds_started == 2
