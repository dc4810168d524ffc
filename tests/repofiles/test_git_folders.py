"""`.git` in a merge: `git status` makes sense afterwards, and nothing of the person's is lost."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.repofiles.folders import FIRST, SECOND, THIRD, Sides, read, remove


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=ada", "-c", "user.email=ada@example.org", "-c", "gc.auto=0"]
    who += ["-c", "init.defaultBranch=main", "-c", "protocol.file.allow=always"]
    done = subprocess.run(
        ["git", *who, "-C", str(folder), *words], capture_output=True, text=True, check=True
    )
    return done.stdout


class Repository:
    """An upstream repository, built by cloning it, as a build does."""

    def __init__(self, sides: Sides) -> None:
        self.sides, self.mine = sides, sides.mine
        self.upstream = sides.mine.parent / "upstream"
        self.upstream.mkdir()
        git(self.upstream, "init", "-q")
        self.commit(a="1", b="1", c="1")

    def commit(self, **files: str) -> None:
        for name, content in files.items():
            (self.upstream / name).write_text(content)
        git(self.upstream, "add", "-A")
        git(self.upstream, "commit", "-qm", f"change {' '.join(files)}")

    def clone(self) -> None:
        remove(self.sides.built)
        git(self.upstream, "clone", "-q", "--no-local", str(self.upstream), str(self.sides.built))

    def build(self, number: str) -> dict[str, Any]:
        self.clone()
        return self.sides.again(number)

    def status(self) -> set[str]:
        git(self.mine, "fsck", "--strict")
        return set(git(self.mine, "status", "--porcelain").splitlines())

    def log(self, *of: str) -> list[str]:
        return git(self.mine, "log", "--format=%s", *of).splitlines()


@pytest.fixture
def repository(sides: Sides) -> Repository:
    repository = Repository(sides)
    assert repository.build(FIRST)["git"] == "fill"
    assert repository.status() == set()
    return repository


def test_git_follows_if_the_person_has_not_used_it(repository: Repository):
    (repository.mine / "a").write_text("mine")
    (repository.mine / "own").write_text("mine")
    repository.status()  # writes the index anew
    repository.commit(b="2", new="2")
    report = repository.build(SECOND)
    assert report["git"] == "follow"
    assert repository.status() == {" M a", "?? own"}
    assert repository.log() == repository.log("origin/main") == ["change b new", "change a b c"]
    repository.commit(b="3")
    assert repository.build(THIRD)["git"] == "follow"
    assert repository.status() == {" M a", "?? own"}
    assert repository.log()[0] == "change b"


def packs(repository: Repository) -> int:
    return len(list((repository.mine / ".git/objects/pack").glob("*.pack")))


def test_a_pack_that_a_new_one_contains_is_removed(repository: Repository):
    for number in ("2", "3", "4"):
        repository.commit(b=number)
        assert repository.build(number * 40)["git"] == "follow"
        assert packs(repository) == 1
        assert repository.status() == set()
    (repository.mine / "a").write_text("mine")
    git(repository.mine, "commit", "-qam", "mine")
    repository.commit(b="5")
    assert repository.build("5" * 40)["git"] == "keep"
    assert packs(repository) == 1
    repository.status()
    assert repository.log() == ["mine", "change b", "change b", "change b", "change a b c"]


def test_a_pack_with_unique_objects_stays(repository: Repository):
    repository.commit(b="2")
    repository.build(SECOND)
    git(repository.upstream, "commit", "--amend", "-qm", "another history")
    git(repository.upstream, "reflog", "expire", "--expire=now", "--all")
    git(repository.upstream, "gc", "-q", "--prune=now")
    assert repository.build(THIRD)["git"] == "follow"
    assert packs(repository) == 2
    assert repository.status() == set()
    assert git(repository.mine, "log", "-1", "--format=%s", "HEAD").strip() == "another history"


def test_a_pack_with_a_keep_file_stays(repository: Repository):
    (pack,) = (repository.mine / ".git/objects/pack").glob("*.pack")
    pack.with_suffix(".keep").write_text("")
    repository.commit(b="2")
    repository.build(SECOND)
    assert packs(repository) == 2


def test_own_commits_stay_and_new_ones_appear_on_the_remote_branch(repository: Repository):
    (repository.mine / "a").write_text("mine")
    git(repository.mine, "commit", "-qam", "mine")
    head = git(repository.mine, "rev-parse", "HEAD")
    repository.commit(b="2")
    assert repository.build(SECOND)["git"] == "keep"
    assert git(repository.mine, "rev-parse", "HEAD") == head
    assert repository.log() == ["mine", "change a b c"]
    assert repository.log("origin/main") == ["change b", "change a b c"]
    assert repository.status() == {" M b"}
    assert (repository.mine / "b").read_text() == "2"
    repository.commit(c="3")
    assert repository.build(THIRD)["git"] == "keep"
    assert repository.log("origin/main")[0] == "change c"
    git(repository.mine, "commit", "-qam", "theirs")
    git(repository.mine, "merge", "-q", "--no-edit", "origin/main")
    assert repository.status() == set()


def test_pushed_commits_cause_no_conflict(repository: Repository):
    (repository.mine / "a").write_text("mine")
    git(repository.mine, "commit", "-qam", "mine")
    git(repository.upstream, "checkout", "-q", "--detach")
    git(repository.mine, "push", "-q", "origin", "main")
    git(repository.upstream, "checkout", "-q", "main")
    report = repository.build(SECOND)
    assert (report["git"], report["conflicts"], report["updated"]) == ("same", 0, 0)
    assert repository.status() == set()
    repository.commit(b="3")
    assert repository.build(THIRD)["git"] == "follow"
    assert repository.status() == set()
    assert repository.log() == ["change b", "mine", "change a b c"]


@pytest.mark.parametrize(
    "words",
    [
        ("add", "a"),
        ("stash",),
        ("checkout", "-q", "-b", "other"),
        ("branch", "other"),
        ("tag", "v1"),
        ("checkout", "-q", "--detach"),
        ("rm", "-q", "-f", "a"),
    ],
)
def test_branches_tags_stashes_and_staged_changes_stay(
    repository: Repository, words: tuple[str, ...]
):
    (repository.mine / "a").write_text("mine")
    git(repository.mine, *words)
    asked = ("for-each-ref", "--format=%(refname) %(objectname)", "refs/heads", "refs/tags")
    before = [git(repository.mine, *asked), git(repository.mine, "stash", "list")]
    before.append(git(repository.mine, "diff", "--cached"))
    repository.commit(b="2")
    assert repository.build(SECOND)["git"] == "keep"
    after = [git(repository.mine, *asked), git(repository.mine, "stash", "list")]
    after.append(git(repository.mine, "diff", "--cached"))
    assert after == before
    assert repository.log("origin/main")[0] == "change b"
    repository.status()


def test_an_unfinished_git_merge_is_left_alone(repository: Repository):
    git(repository.mine, "checkout", "-q", "-b", "other")
    (repository.mine / "a").write_text("other")
    git(repository.mine, "commit", "-qam", "other")
    git(repository.mine, "checkout", "-q", "main")
    git(repository.mine, "merge", "-q", "--no-ff", "--no-commit", "other")
    repository.commit(b="2")
    assert repository.build(SECOND)["git"] == "keep"
    assert (repository.mine / ".git/MERGE_HEAD").exists()


def test_git_follows_in_a_packed_repository(repository: Repository):
    git(repository.mine, "gc", "-q")
    repository.commit(b="2")
    assert repository.build(SECOND)["git"] == "follow"
    assert repository.status() == set()
    assert repository.log()[0] == "change b"


def test_settings_and_hooks_stay(repository: Repository):
    git(repository.mine, "config", "user.nick", "ada")
    (repository.mine / ".git/hooks").mkdir(exist_ok=True)
    (repository.mine / ".git/hooks/pre-commit").write_text("#!/bin/sh\n")
    repository.commit(b="2")
    assert repository.build(SECOND)["git"] == "follow"
    assert git(repository.mine, "config", "user.nick") == "ada\n"
    assert (repository.mine / ".git/hooks/pre-commit").exists()


def test_git_follows_after_the_person_ran_fetch(repository: Repository):
    repository.commit(b="2")
    git(repository.mine, "fetch", "-q")
    assert repository.build(SECOND)["git"] == "follow"
    assert repository.status() == set()


def test_nothing_changes_after_the_person_ran_pull(repository: Repository):
    repository.commit(b="2")
    git(repository.mine, "pull", "-q", "--ff-only")
    report = repository.build(SECOND)
    assert (report["git"], report["updated"], report["conflicts"]) == ("same", 0, 0)
    assert repository.status() == set()


@pytest.mark.parametrize("version", ["2", "3", "4"])
def test_each_index_version_is_read(repository: Repository, version: str):
    git(repository.mine, "update-index", "--index-version", version)
    repository.commit(b="2")
    assert repository.build(SECOND)["git"] == "follow"
    assert repository.status() == set()


def test_another_branch_upstream_is_followed(repository: Repository):
    git(repository.upstream, "checkout", "-q", "-b", "next/one")
    repository.commit(b="2")
    assert repository.build(SECOND)["git"] == "follow"
    assert repository.status() == set()
    assert git(repository.mine, "branch", "--show-current") == "next/one\n"
    git(repository.upstream, "checkout", "-q", "--orphan", "next2")
    repository.commit(z="9")
    assert repository.build(THIRD)["git"] == "follow"
    assert repository.status() == set()


def test_a_branch_name_that_conflicts_with_another_leaves_git_alone(repository: Repository):
    git(repository.upstream, "checkout", "-q", "-b", "next")
    repository.commit(b="2")
    assert repository.build(SECOND)["git"] == "follow"
    git(repository.upstream, "checkout", "-q", "main")
    git(repository.upstream, "branch", "-D", "-q", "next")
    git(repository.upstream, "checkout", "-q", "-b", "next/two")
    repository.commit(b="3")
    assert repository.build(THIRD)["git"] == "keep"
    assert repository.status() == {" M b"}


def test_a_removed_git_folder_does_not_come_back(repository: Repository):
    remove(repository.mine / ".git")
    repository.commit(b="2")
    assert repository.build(SECOND)["git"] == "leave"
    assert sorted(read(repository.mine)) == ["a", "b", "c"]
    assert (repository.mine / "b").read_text() == "2"


@pytest.mark.parametrize("inside", ["", "objects", "refs", "refs/remotes", "HEAD", "index"])
def test_a_link_inside_the_git_folder_is_not_followed(repository: Repository, inside: str):
    outside = repository.mine.parent / "outside"
    outside.mkdir()
    place = repository.mine / ".git" / inside
    remove(place)
    place.symlink_to(outside)
    repository.commit(b="2", d="3")
    report = repository.build(SECOND)
    assert list(outside.iterdir()) == []
    assert place.is_symlink()
    assert report["git"] in {"leave", "keep"} or inside == "refs/remotes"
    assert (repository.mine / "d").read_text() == "3"


def test_submodules_follow_and_own_commits_in_them_stay(sides: Sides, repository: Repository):
    inner = sides.mine.parent / "inner"
    inner.mkdir()
    git(inner, "init", "-q")
    (inner / "x").write_text("1")
    git(inner, "add", "x")
    git(inner, "commit", "-qm", "x1")
    git(repository.upstream, "submodule", "--quiet", "add", str(inner), "sub")
    repository.commit(b="2")

    def build(number: str) -> dict[str, Any]:
        remove(sides.built)
        git(repository.upstream, "clone", "-q", "--no-local", "--recurse-submodules",
            str(repository.upstream), str(sides.built))  # fmt: skip
        return sides.again(number)

    build(SECOND)
    assert repository.status() == set()
    (inner / "x").write_text("2")
    git(inner, "commit", "-qam", "x2")
    git(repository.upstream / "sub", "pull", "-q")
    repository.commit(b="3")
    report = build(THIRD)
    assert report["git"] == "follow"
    assert repository.status() == set()
    assert (repository.mine / "sub/x").read_text() == "2"

    (repository.mine / "sub/x").write_text("mine")
    git(repository.mine / "sub", "commit", "-qam", "mine")
    (inner / "y").write_text("3")
    git(inner, "add", "y")
    git(inner, "commit", "-qm", "y3")
    git(repository.upstream / "sub", "pull", "-q")
    repository.commit(b="4")
    build("4" * 40)
    assert git(repository.mine / "sub", "log", "-1", "--format=%s") == "mine\n"
    assert (repository.mine / "sub/x").read_text() == "mine"
    assert (repository.mine / "sub/y").read_text() == "3"
    assert " M sub" in repository.status()
