"""Remove what strangers made: however much and deep it is, nobody waits for it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sessions.backends.local import keeper_processes, owners, removal
from sessions.backends.local.folders import Folders
from sessions.backends.local.keeper import keeper_command
from sessions.backends.local.keeper.removal import ENTRIES_PER_PAUSE, TRASH, remove_stepwise
from tests import scratch
from tests.backends.bare import ORDINARY
from tests.backends.waiting import until

MANY = 4 * ENTRIES_PER_PAUSE


@pytest.fixture
def place() -> Iterator[Path]:
    place = scratch.folder()
    yield place
    place.rmdir()


def wide(folder: Path, count: int) -> Path:
    folder.mkdir()
    for number in range(count):
        os.close(os.open(folder / str(number), os.O_CREAT))
    return folder


def deep(folder: Path, depth: int) -> Path:
    """Make a chain of folders whose path is longer than the kernel accepts."""
    folder.mkdir()
    at = os.open(folder, os.O_RDONLY)
    for _level in range(depth):
        os.mkdir("x" * 200, dir_fd=at)
        below = os.open("x" * 200, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(os.open("file", os.O_CREAT, dir_fd=at))
    os.close(at)
    return folder


def test_a_small_folder_is_removed_at_once(place: Path):
    assert removal.drop(wide(place / "small", 10))
    assert os.listdir(place) == []


def test_removing_a_missing_folder_is_no_error(place: Path):
    assert removal.drop(place / "nothing")
    assert os.listdir(place) == []


def test_a_large_folder_is_renamed_and_removed_in_another_process(place: Path):
    assert not removal.drop(wide(place / "large", MANY))
    assert not (place / "large").exists()
    assert removal.is_being_removed(place, "large")
    until(lambda: os.listdir(place) == [], 20)


def test_only_the_full_name_counts_as_being_removed(place: Path):
    (place / TRASH / "ada-1-0123abcd").mkdir(parents=True)
    assert removal.is_being_removed(place, "ada-1")
    assert not removal.is_being_removed(place, "ada")
    removal.start_removal([place])
    until(lambda: os.listdir(place) == [], 20)


def test_a_deep_folder_with_a_long_path_is_removed(place: Path):
    assert removal.drop(deep(place / "deep", 150))
    assert os.listdir(place) == []


def test_removal_does_not_follow_links(place: Path, tmp_path: Path):
    kept = wide(tmp_path / "kept", 3)
    for target in (kept, kept / "1", tmp_path / "nowhere"):
        wide(place / "linked", 0)
        (place / "linked" / "link").symlink_to(target)
        assert removal.drop(place / "linked")
    (place / "itself").symlink_to(kept)
    assert removal.drop(place / "itself")
    assert len(os.listdir(kept)) == 3


def test_an_ordinary_user_removes_folders_without_write_permission():
    place = scratch.folder()
    inner = wide(place / TRASH, 0) / "locked-0123abcd"
    for name in ("", "inner", "inner/most"):
        wide(inner / name, 3)
    paths = [place, *place.rglob("*")]
    for path in reversed(paths):
        if os.geteuid() == 0:
            os.chown(path, ORDINARY, ORDINARY)
        if path.is_dir() and path not in {place, place / TRASH}:
            path.chmod(0)
    words = keeper_command("removal", str(place))
    subprocess.run(words, check=True, **owners.as_user(ORDINARY))
    assert os.listdir(place) == []
    place.rmdir()


def test_an_interrupted_removal_is_resumed(place: Path):
    folder = wide(place / "cut", 50)
    steps = remove_stepwise(folder)
    for _ in range(20):
        next(steps)
    steps.close()
    assert 0 < len(os.listdir(folder)) < 50
    (place / TRASH).mkdir()
    folder.rename(place / TRASH / "cut-0123abcd")
    removal.start_removal([place])
    until(lambda: os.listdir(place) == [], 20)


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Folders]:
    folders = Folders(tmp_path)
    ended = folders.keeper("server", 7)
    ended.mkdir(parents=True)
    (ended / keeper_processes.REMOVE).touch()
    wide(ended / "io", MANY)
    yield folders
    until(lambda: os.listdir(folders.run) == [], 20)


def test_watch_does_not_wait_for_the_removal_of_a_large_run_folder(folders: Folders):
    assert list(keeper_processes.list_keepers(folders.run, "server")) == []
    assert os.listdir(folders.run) == [TRASH]  # so it has not waited
