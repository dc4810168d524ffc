"""Merge repositories whose history was too long to be cloned: git still finds its way in them."""

from __future__ import annotations

import pytest

from tests.repofiles.folders import FIRST, SECOND, THIRD, Sides, remove
from tests.repofiles.test_git_folders import Repository, git


class Shallow(Repository):
    """An upstream repository of which a build clones the last commit only."""

    depth: tuple[str, ...] = ("--depth=1",)

    def clone(self) -> None:
        remove(self.sides.built)
        url = f"file://{self.upstream}"
        git(self.upstream, "clone", "-q", *self.depth, url, str(self.sides.built))

    def is_whole(self) -> bool:
        return git(self.mine, "rev-parse", "--is-shallow-repository") == "false\n"


@pytest.fixture
def shallow(sides: Sides) -> Shallow:
    repository = Shallow(sides)
    repository.commit(a="2")
    assert repository.build(FIRST)["git"] == "fill"
    assert repository.log() == ["change a"]
    return repository


def test_git_follows_from_one_last_commit_to_the_next(shallow: Shallow):
    shallow.commit(b="2")
    assert shallow.build(SECOND)["git"] == "follow"
    assert shallow.status() == set()
    assert shallow.log() == ["change b"]
    shallow.commit(b="3")
    assert shallow.build(THIRD)["git"] == "follow"
    assert shallow.status() == set()
    git(shallow.mine, "gc", "-q")
    git(shallow.mine, "fetch", "-q", "--unshallow")
    assert shallow.log() == ["change b", "change b", "change a", "change a b c"]


def test_own_commits_stay_beside_the_next_last_commit(shallow: Shallow):
    (shallow.mine / "a").write_text("mine")
    git(shallow.mine, "commit", "-qam", "mine")
    shallow.commit(b="2")
    assert shallow.build(SECOND)["git"] == "keep"
    assert shallow.log() == ["mine", "change a"]
    assert shallow.log("origin/main") == ["change b"]
    assert shallow.status() == {" M b"}
    git(shallow.mine, "fetch", "-q", "--unshallow")
    assert shallow.log("origin/main") == ["change b", "change a", "change a b c"]


def test_a_history_that_the_person_has_fetched_stays(shallow: Shallow):
    git(shallow.mine, "fetch", "-q", "--unshallow")
    assert shallow.build("4" * 40)["git"] == "same"
    assert shallow.is_whole()
    shallow.commit(b="2")
    git(shallow.mine, "fetch", "-q")
    assert shallow.build(SECOND)["git"] == "follow"
    assert shallow.status() == set()
    assert shallow.is_whole()
    assert shallow.log() == ["change b", "change a", "change a b c"]


def test_a_whole_history_completes_what_was_there(shallow: Shallow):
    shallow.commit(b="2")
    shallow.depth = ()
    assert shallow.build(SECOND)["git"] == "follow"
    assert shallow.status() == set()
    assert shallow.log() == ["change b", "change a", "change a b c"]
    git(shallow.mine, "gc", "-q")


def test_a_history_that_became_too_long_stays_as_far_as_it_was(sides: Sides):
    repository = Shallow(sides)
    repository.depth = ()
    repository.build(FIRST)
    repository.depth = ("--depth=1",)
    repository.commit(b="2")
    assert repository.build(SECOND)["git"] == "follow"
    assert repository.status() == set()
    assert repository.log() == ["change b"]
