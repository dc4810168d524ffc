"""Every combination of old, personal and new content of a path in a merge."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.repofiles.folders import BESIDE, FIRST, SECOND, THIRD, Sides, Value, write

STATES: dict[str, Value] = {
    "nothing": None,
    "one": b"1",
    "two": b"2",
    "three": b"3",
    "large": b"\0" * 200_000 + b"x" * 200_000,
    "program": (b"1", 0o755),
    "link": "somewhere",
    "other-link": "/etc/passwd",
    "empty-folder": {},
    "folder": {"a": b"1", "b": b"1"},
    "changed-folder": {"a": b"2", "b": b"1"},
    "smaller-folder": {"a": b"1"},
    "deep-folder": {"a": {"b": {"c": b"1"}}},
    "folder-of-links": {"a": "b", "b": "c"},
}
ALL = list(itertools.product(STATES, repeat=3))


@pytest.fixture(scope="module")
def sides(in_memory: Path) -> Sides:
    """All combinations in one folder, merged at once."""
    sides = Sides(in_memory)
    sides.merge(_whole(0), FIRST)
    for names in ALL:
        write(sides.mine / "_".join(names), STATES[names[1]])
    sides.report = sides.merge(_whole(2), SECOND)
    sides.found = sides.has()
    return sides


def _whole(side: int) -> Value:
    values = {"_".join(names): STATES[names[side]] for names in ALL}
    return {name: value for name, value in values.items() if value is not None}


def found(sides: Sides, names: tuple[str, ...]) -> Value:
    return sides.found.get("_".join(names))


def leaves(value: Value, path: str = "") -> Iterator[tuple[str, Value]]:
    """Yield each file and link, by its path below the place."""
    if isinstance(value, dict):
        for name, inside in value.items():
            yield from leaves(inside, f"{path}/{name}")
    elif value is not None:
        yield path, value


def content(value: Value) -> Value:
    return value[0] if isinstance(value, tuple) else value


def besides(sides: Sides, names: tuple[str, ...]) -> list[Value]:
    """Return what was put beside the place, or inside of it."""
    mine = "_".join(names)
    outside = sides.found.get(f"{mine}{BESIDE}")
    inside = [value for path, value in leaves(found(sides, names)) if BESIDE in path]
    return [content(value) for _path, value in leaves(outside)] + [content(v) for v in inside]


def test_unedited_paths_follow_the_repository(sides: Sides):
    for base, theirs in itertools.product(STATES, repeat=2):
        assert found(sides, (base, base, theirs)) == STATES[theirs], (base, theirs)


def test_paths_unchanged_in_the_repository_keep_the_persons_version(sides: Sides):
    for base, mine in itertools.product(STATES, repeat=2):
        assert found(sides, (base, mine, base)) == STATES[mine], (base, mine)
        assert besides(sides, (base, mine, base)) == []


def test_identical_changes_on_both_sides_are_no_conflict(sides: Sides):
    for base, both in itertools.product(STATES, repeat=2):
        assert found(sides, (base, both, both)) == STATES[both], (base, both)
        assert besides(sides, (base, both, both)) == []


def test_no_edit_of_the_person_is_lost(sides: Sides):
    for names in ALL:
        base, mine, _theirs = (dict(leaves(STATES[name])) for name in names)
        there = dict(leaves(found(sides, names)))
        for path, value in mine.items():
            if content(value) != content(base.get(path)):
                assert content(there.get(path)) == content(value), names


def test_every_change_in_the_repository_is_applied_or_saved_beside(sides: Sides):
    for names in ALL:
        base, _mine, theirs = (dict(leaves(STATES[name])) for name in names)
        there = dict(leaves(found(sides, names)))
        for path, value in theirs.items():
            if content(value) != content(base.get(path)):
                is_there = content(there.get(path)) == content(value)
                assert is_there or content(value) in besides(sides, names), names


def test_files_that_the_person_removed_do_not_come_back(sides: Sides):
    for names in ALL:
        base, mine, theirs = (dict(leaves(STATES[name])) for name in names)
        there = dict(leaves(found(sides, names)))
        for path in base.keys() - mine.keys():
            if content(theirs.get(path)) == content(base[path]):
                assert path not in there, names


def test_unedited_files_removed_in_the_repository_are_removed(sides: Sides):
    for names in ALL:
        base, mine, theirs = (dict(leaves(STATES[name])) for name in names)
        there = dict(leaves(found(sides, names)))
        for path in base.keys() - theirs.keys():
            if content(mine.get(path)) == content(base[path]):
                assert path not in there, names


def test_a_merge_creates_no_unexpected_paths(sides: Sides):
    known = {"_".join(names) for names in ALL}
    assert {name.removesuffix(BESIDE) for name in sides.found} <= known


def test_conflicts_are_counted_and_the_first_twenty_named(sides: Sides):
    beside = [name for name, value in leaves(sides.found) if BESIDE in name]
    assert beside
    assert sides.report["conflicts"] >= len({name.partition(BESIDE)[0] for name in beside})
    assert len(sides.report["conflict_names"]) == 20
    assert sides.report["left_out"] == 0


def test_repeating_a_merge_changes_nothing(sides: Sides):
    again = sides.again(SECOND)
    assert again == {**sides.report, "again": True}
    assert sides.has() == sides.found
    later = sides.again(THIRD)
    assert sides.has() == sides.found
    counts = ("added", "updated", "removed", "conflicts", "left_out")
    assert {name: later[name] for name in counts} == dict.fromkeys(counts, 0)


@pytest.mark.slow("merges 2,700 places without a record", seconds=60)
def test_a_merge_without_a_record_loses_nothing(sides: Sides, tmp_path: Path):
    """As of an installation from before there were records."""
    old = Sides(tmp_path)
    write(old.mine, {"_".join(names): STATES[names[1]] for names in ALL})
    old.merge(_whole(2))
    old.found = old.has()
    for names in ALL:
        there = dict(leaves(found(old, names)))
        for path, value in leaves(STATES[names[1]]):
            assert there.get(path) == value, names
        for path, value in leaves(STATES[names[2]]):
            is_there = content(there.get(path)) == content(value)
            assert is_there or content(value) in besides(old, names), names
