"""Attacks: a commit of another person's fork, which large forges serve under the repository's
name.
"""

from __future__ import annotations

import random
import subprocess

import pytest

from sessions import lifecycle
from sessions.errors import TemporaryError, UserError
from sessions.git.read_file import read_entry
from sessions.git.resolve import require_reachable
from sessions.lifecycle import builds
from sessions.models import Build, Project, RepositoryRule
from tests.githttp import GitServer

pytestmark = pytest.mark.servers
PERSON = ["-c", "user.name=Eve", "-c", "user.email=eve@example.org"]


def copied(server: GitServer, name: str, ref: str = "") -> str:
    """Make a commit that the server serves by its id, on top of the repository's last one; ``ref``
    points to it, if given.
    """
    git = ["git", *PERSON, f"--git-dir={server.folder(name)}"]
    commit = said(*git, "commit-tree", "-p", "HEAD", "-m", "mine", "HEAD^{tree}")
    if ref:
        said(*git, "update-ref", ref, commit)
    return commit


def said(*words: str) -> str:
    return subprocess.run(words, check=True, stdout=subprocess.PIPE).stdout.decode().strip()


@pytest.fixture
def course(git: GitServer) -> str:
    """A repository with some history, a branch and an annotated tag."""
    name = "course/lesson"
    if not git.folder(name).exists():
        git.repository(name, {"a": "1"})
        git.tag(name, "v1", annotated=True)
        git.repository(name, {"a": "2", "b/c": "x" * 100_000})
        git.branch(name, "old", {"a": "3"}, start="HEAD~1")
        git.repository(name, {"a": "4"})
    return name


def refused(git: GitServer, name: str, commit: str) -> str:
    with pytest.raises(UserError) as error:
        require_reachable(git.url(name), commit)
    return error.value.code


@pytest.mark.parametrize("ref", ["HEAD", "HEAD~1", "HEAD~2", "v1", "old", "old~1"])
def test_a_commit_reachable_from_a_branch_or_tag_passes(git, course, ref):
    require_reachable(git.url(course), git.commit(course, ref))


@pytest.mark.parametrize("ref", ["", "refs/pull/1/head", "refs/forks/eve/heads/main", "refs/x"])
def test_a_commit_unreachable_from_any_ref_is_refused(git, course, ref):
    commit = copied(git, course, ref)
    assert read_entry(git.url(course), commit, "a", 10).entry.content == b"4"  # the server gives it
    assert refused(git, course, commit) == "launch.commit-elsewhere"


def test_a_missing_commit_and_a_tree_object_are_refused(git, course):
    assert refused(git, course, "d" * 40) == "launch.commit-elsewhere"
    tree = said("git", f"--git-dir={git.folder(course)}", "rev-parse", "HEAD^{tree}")
    assert refused(git, course, tree) == "launch.commit-elsewhere"


def test_an_empty_repository_refuses_every_commit(git):
    git.empty("course/empty")
    assert refused(git, "course/empty", "d" * 40) == "launch.commit-elsewhere"


@pytest.mark.parametrize(
    "manners",
    [{"filters": False}, {"protocol": 0}, {"protocol": 0, "by_id": False, "filters": False}],
)
def test_servers_with_restricted_features_are_checked_too(git, manners):
    name = f"course/small-{len(manners)}"
    git.repository(name, {"a": "1"})
    first = git.commit(name)
    git.repository(name, {"a": "2"})
    git.restrict(name, **manners)
    require_reachable(git.url(name), first)
    assert refused(git, name, copied(git, name)) == "launch.commit-elsewhere"


def test_the_check_downloads_no_file_contents(git, course):
    before = git.sent
    require_reachable(git.url(course), git.commit(course, "HEAD~1"))
    assert git.sent - before < 10_000


def test_a_history_that_takes_too_long_to_fetch_is_refused(git):
    git.repository("course/slow", {"a": "1"})
    first = git.commit("course/slow")
    git.repository("course/slow", {"a": "2"})
    git.stall("course/slow")
    with pytest.raises(UserError) as error:
        require_reachable(git.url("course/slow"), first, seconds=2)
    assert error.value.code == "launch.commit-unproven"


def test_a_history_that_is_too_large_is_refused(git, settings):
    settings.PORTAL_REPOSITORY_LIMIT_MB = 1
    git.repository("course/large", {"a": random.Random(1).randbytes(2_000_000)})
    first = git.commit("course/large")
    git.repository("course/large", {"a": "2"})
    require_reachable(git.url("course/large"), first)  # without the files it is small
    git.restrict("course/large", filters=False)
    assert refused(git, "course/large", first) == "launch.commit-unproven"


def test_an_unreachable_server_is_a_temporary_error(settings):
    settings.PORTAL_TRUSTED_GIT_HOSTS = ["127.0.0.1:9"]
    with pytest.raises(TemporaryError):
        require_reachable("http://127.0.0.1:9/a/b", "d" * 40)


@pytest.fixture
def asked(monkeypatch) -> list[str]:
    """The commits that the server is asked for."""
    seen: list[str] = []

    def ask(url, commit, *more):
        seen.append(commit)
        require_reachable(url, commit, *more)

    monkeypatch.setattr(builds, "require_reachable", ask)
    return seen


def outcome(project: Project) -> tuple[str, str]:
    found = Project.objects.get(pk=project.pk)
    return found.state, found.current.code


def allow(git: GitServer) -> None:
    RepositoryRule.objects.create(kind="allow", pattern="127.0.0.1/course/*")


def test_an_allow_list_refuses_a_commit_of_a_fork(ada, git, course, backend, worker):
    allow(git)
    project = lifecycle.launch(ada, git.url(course), copied(git, course))
    worker.run()
    assert outcome(project) == ("failed", "launch.commit-elsewhere")
    assert "fork" in Project.objects.get(pk=project.pk).current.message
    assert not Build.objects.exists()


def test_a_ban_refuses_a_commit_of_a_fork(ada, git, course, backend, worker):
    RepositoryRule.objects.create(kind="ban", pattern="127.0.0.1/eve/*")
    project = lifecycle.launch(ada, git.url(course), copied(git, course))
    worker.run()
    assert outcome(project) == ("failed", "launch.commit-elsewhere")


def test_a_fork_commit_launched_before_the_rules_does_not_restart(
    ada, git, course, backend, bring_up, worker, watch
):
    project = bring_up(lifecycle.launch(ada, git.url(course), copied(git, course)))
    assert project.state == "ready"
    lifecycle.stop(project, ada)
    worker.run()
    watch.look()
    allow(git)
    lifecycle.start(Project.objects.get(pk=project.pk), ada)
    worker.run()
    assert outcome(project) == ("failed", "launch.commit-elsewhere")


def test_the_repositorys_own_commits_are_launched_and_checked_once(
    ada, git, course, backend, worker, asked
):
    allow(git)
    commit = git.commit(course, "HEAD~1")
    project = lifecycle.launch(ada, git.url(course), commit)
    worker.run()
    assert outcome(project) == ("building", "")
    assert asked == [commit]  # once, though the worker runs each task twice
    lifecycle.stop(Project.objects.get(pk=project.pk), ada)
    worker.run()
    lifecycle.start(Project.objects.get(pk=project.pk), ada)
    worker.run()
    assert asked == [commit]


def test_no_check_is_made_without_rules_or_for_a_branch(ada, git, course, backend, worker, asked):
    lifecycle.launch(ada, git.url(course), git.commit(course, "old"))
    worker.run()
    allow(git)
    lifecycle.launch(ada, git.url(course), "main")
    worker.run()
    lifecycle.launch(ada, git.url(course), git.commit(course, "main"))
    worker.run()
    assert asked == []
    assert Build.objects.count() == 2
