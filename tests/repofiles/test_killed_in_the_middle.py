"""A merge that is killed at any moment, and then repeated or followed by another."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.repofiles.folders import BESIDE, FIRST, SECOND, THIRD, Sides, Value, read, write
from tests.repofiles.test_git_folders import Repository, git

ROOT = Path(__file__).parents[2]

WAS = {
    "same": b"1", "changed": b"1", "both": b"1", "mine": b"1", "gone": b"1", "program": b"1",
    "link": "same", "to-folder": b"1", "to-file": {"a": b"1", "b": {"c": b"1"}},
    "to-file-with-mine": {"a": b"1"}, "folder": {"a": b"1", "gone": {"x": b"1"}},
    "removed": b"1", "removed-folder": {"a": b"1"},
}  # fmt: skip
MINE = {
    **WAS, "both": b"mine", "mine": b"mine", "own": b"mine", "removed": None,
    "removed-folder": None, "to-file-with-mine": {"a": b"1", "own": b"mine"},
}  # fmt: skip
THEIRS = {
    "same": b"1", "changed": b"2", "both": b"2", "mine": b"1", "program": (b"1", 0o755),
    "link": "changed", "to-folder": {"a": b"2", "b": {"c": b"2"}}, "to-file": b"2",
    "to-file-with-mine": b"2", "folder": {"a": b"2", "new": {"x": b"2"}}, "new": b"2",
    "removed": b"1", "removed-folder": {"a": b"1", "new": b"2"}, "new-folder": {"a": {"b": b"2"}},
}  # fmt: skip
AFTER = {
    "same": b"1", "changed": b"2", "both": b"mine", f"both{BESIDE}": b"2", "mine": b"mine",
    "own": b"mine", "program": (b"1", 0o755), "link": "changed",
    "to-folder": {"a": b"2", "b": {"c": b"2"}}, "to-file": b"2",
    "to-file-with-mine": {"own": b"mine"}, f"to-file-with-mine{BESIDE}": b"2",
    "folder": {"a": b"2", "new": {"x": b"2"}}, "new": b"2", "removed-folder": {"new": b"2"},
    "new-folder": {"a": {"b": b"2"}},
}  # fmt: skip


def start(folder: Path) -> Sides:
    """Return the sides as they are before the merge that is killed."""
    sides = Sides(folder)
    sides.merge(WAS, FIRST)
    for name, value in MINE.items():
        if value != WAS.get(name):
            write(sides.mine / name, value)
    write(sides.built, THEIRS)
    return sides


def killed(sides: Sides, at: int, commit: str = SECOND) -> str:
    """Merge, and die before the change with that number; return the output if it survived."""
    words = [sys.executable, "-m", "tests.repofiles.killed", str(at)]
    words += [str(sides.built), str(sides.mine), str(sides.record), commit]
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode in {0, -9}, done.stderr
    return done.stdout


def copies(sides: Sides, folder: Path) -> Sides:
    """Copy all sides to another folder, with the files' times."""
    subprocess.run(["cp", "-a", f"{sides.mine.parent}/.", folder], check=True)
    return Sides(folder)


def emptied(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def before(in_memory: Path) -> Sides:
    return start(emptied(in_memory / "before"))


@pytest.fixture(scope="module")
def changes(before: Sides, in_memory: Path) -> int:
    """Return how many changes an uninterrupted merge makes."""
    sides = copies(before, emptied(in_memory / "whole"))
    count = int(killed(sides, 1_000_000))
    assert sides.has() == AFTER
    return count


def each_moment(changes: int, before: Sides, folder: Path):
    for number in range(1, changes + 1):
        sides = copies(before, emptied(folder / "killed"))
        assert killed(sides, number) == ""
        yield number, sides


@pytest.mark.slow("a program is killed at each of its changes to the disk", seconds=180)
def test_a_merge_resumes_wherever_it_was_killed(changes: int, before: Sides, in_memory: Path):
    for number, sides in each_moment(changes, before, in_memory):
        for name, value in MINE.items():  # each file of theirs is whole meanwhile
            if value == b"mine":
                assert read(sides.mine / name) == b"mine", number
        report = sides.again(SECOND)
        assert sides.has() == AFTER, number
        assert report["left_out"] == 0
        assert sorted(os.listdir(sides.record.parent)) == ["built", "mine", "record", "record.lock"]


@pytest.mark.long
@pytest.mark.slow("a program is killed at each of its changes to the disk", seconds=180)
def test_the_previous_commit_can_be_restored_wherever_a_merge_was_killed(
    changes: int, before: Sides, in_memory: Path
):
    back = {name: value for name, value in MINE.items() if value is not None}
    for number, sides in each_moment(changes, before, in_memory):
        sides.merge(WAS, THIRD)
        found = {name: value for name, value in sides.has().items() if ".from-" not in name}
        found.get("removed-folder", {}).pop("new", None)
        found = {name: value for name, value in found.items() if value != {}}
        assert found == back, number


OLD, NEW, LAST = ({"a": text, "b": text, "in": {"c": text}} for text in (b"old", b"new", b"last"))


@pytest.mark.slow("a program is killed at each of its changes to the disk", seconds=180)
@pytest.mark.parametrize("was", [OLD, None], ids=["merge", "fill"])
def test_merges_of_several_commits_killed_in_a_row_leave_no_second_versions(
    was: Value, in_memory: Path
):
    before = Sides(emptied(in_memory / ("merged" if was else "filled")))
    if was:
        before.merge(was, FIRST)
    write(before.built, NEW)
    half, partly, number = before, None, 1
    while True:  # find the last moment before the merge is recorded
        there = copies(before, emptied(in_memory / f"killed-{number}"))
        if killed(there, number) or (there.record.exists() and SECOND in there.record.read_text()):
            break
        half, number = there, number + 1
        if not partly and read(there.mine / "a") == b"new":
            partly = there  # the others are not in place yet
    assert NEW.items() <= half.has().items()
    assert partly
    # Another commit, and the same again.
    for value, commit, begun in ((OLD, FIRST, half), (NEW, SECOND, partly)):
        write(begun.built, value)
        survived, number = "", 1
        while not survived:
            there = copies(begun, emptied(in_memory / "killed"))
            survived = killed(there, number, commit)
            there.merge(LAST, THIRD)
            assert there.has() == LAST, (commit, number)
            number += 1


@pytest.mark.slow("a program is killed at each of its changes to the disk", seconds=240)
def test_git_is_intact_wherever_a_merge_was_killed(in_memory: Path):
    sides = Sides(emptied(in_memory / "with-git"))
    upstream = Repository(sides)
    upstream.build(FIRST)
    (sides.mine / "a").write_text("mine")
    upstream.commit(a="2", b="2", new="2")
    upstream.clone()
    number = 1
    while True:
        there = copies(sides, emptied(in_memory / "killed"))
        if killed(there, number):
            break
        git(there.mine, "fsck", "--connectivity-only")
        assert there.again(SECOND)["git"] in {"follow", "same"}, number
        git(there.mine, "fsck", "--strict")
        assert set(git(there.mine, "status", "--porcelain").splitlines()) == {
            " M a", "?? a.from-2222222",
        }, number  # fmt: skip
        assert git(there.mine, "log", "-1", "--format=%s") == "change a b new\n"
        assert len(list((there.mine / ".git/objects/pack").glob("*.pack"))) == 1
        number += 3  # each takes git a while, and neighbours are alike
    assert number > 20


@pytest.mark.slow("a program is killed at each of its changes to the disk", seconds=180)
def test_a_fill_resumes_wherever_it_was_killed(in_memory: Path):
    empty = Sides(emptied(in_memory / "empty"))
    write(empty.built, THEIRS)
    number = 1
    while True:
        sides = copies(empty, emptied(in_memory / "killed"))
        if killed(sides, number):
            break
        report = sides.again(SECOND)
        assert sides.has() == THEIRS, number
        assert report["conflicts"] == 0
        number += 1
    assert number > 10
