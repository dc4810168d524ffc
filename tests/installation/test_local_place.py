"""The data folder's id, its contents, and what is set aside there, in real folders."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sessions.backends import SetAsideItem
from sessions.backends.local import LocalBackend, orphans
from sessions.backends.local.folders import Folders
from sessions.errors import StateConflict

MINE, THEIRS = "a" * 32, "b" * 32


@pytest.fixture
def backend(tmp_path: Path, settings) -> LocalBackend:
    settings.PORTAL_DATA = tmp_path / "data"
    return LocalBackend()


@pytest.fixture
def flowers(backend: LocalBackend) -> Path:
    """A project's folder with a file in it."""
    folder = backend.folders.project("flowers-1")
    folder.mkdir(parents=True)
    (folder / "notes.txt").write_text("mine")
    return folder


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system than the tests' own."""
    folder = Path(tempfile.mkdtemp(dir="/dev/shm"))
    assert folder.stat().st_dev != tmp_path.stat().st_dev
    yield folder
    shutil.rmtree(folder)


def test_the_first_installation_id_is_kept(backend):
    assert backend.installation() == ""
    assert backend.ensure_installation(MINE) == MINE
    assert backend.ensure_installation(THEIRS) == MINE
    assert [path.name for path in backend.folders.root.iterdir()] == ["installation"]


def test_concurrent_processes_agree_on_one_id(backend):
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(backend.ensure_installation, [f"{n:032x}" for n in range(8)]))
    assert len(found) == 1


def test_an_empty_id_file_counts_as_missing(backend):
    backend.folders.root.mkdir()
    backend.folders.installation.touch()
    assert backend.installation() == ""
    assert backend.ensure_installation(MINE) == MINE


def test_the_inventory_lists_projects_volumes_and_builds(backend, flowers):
    (backend.folders.volume("ada")).mkdir(parents=True)
    for odd in (".hidden", "lost+found"):
        (backend.folders.projects / odd).mkdir()
    (backend.folders.keeper("build", 7)).mkdir(parents=True)
    os.utime(backend.folders.keeper("build", 7), (0, 0))
    found = backend.inventory()
    assert (found.projects, found.volumes) == (frozenset({"flowers-1"}), frozenset({"ada"}))
    assert (found.sessions, found.builds) == (frozenset(), frozenset({7}))
    assert backend.projects() == ["flowers-1"]


def test_missing_folders_yield_an_empty_inventory(backend):
    assert orphans.inventory(backend.folders) == orphans.inventory(
        Folders(backend.folders.root / "none")
    )
    assert backend.inventory().projects == frozenset()


def test_an_unreadable_folder_raises_instead_of_counting_as_empty(backend, flowers):
    backend.folders.homes.write_text("no folder")
    with pytest.raises(NotADirectoryError):
        backend.inventory()


def test_a_project_is_set_aside_and_put_back_with_all_its_files(backend, flowers):
    for _time in range(2):
        backend.set_aside("flowers-1")
    assert backend.projects() == []
    (aside,) = backend.set_aside_items()
    assert aside.name == "flowers-1"
    assert (backend.set_aside_size(aside.id) or 0) > 0
    for _time in range(2):
        backend.put_back(aside.id)
    assert (flowers / "notes.txt").read_text() == "mine"
    assert (backend.set_aside_items(), backend.set_aside_size(aside.id)) == ([], None)


def test_two_items_of_one_name_coexist_and_existing_folders_are_kept(backend, flowers):
    backend.set_aside("flowers-1")
    flowers.mkdir()
    backend.set_aside("flowers-1")
    assert len(backend.set_aside_items()) == 2
    flowers.mkdir()
    with pytest.raises(StateConflict):
        backend.put_back(backend.set_aside_items()[0].id)
    assert len(backend.set_aside_items()) == 2


def test_an_item_stays_on_the_projects_own_disk(backend, memory):
    backend.folders.root.mkdir()
    backend.folders.projects.symlink_to(memory)
    (memory / "flowers-1").mkdir()
    backend.set_aside("flowers-1")
    (aside,) = backend.set_aside_items()
    assert (memory / ".set-aside" / aside.id).exists()
    assert backend.projects() == []
    backend.sweep()
    backend.remove_project("another-1")
    assert backend.set_aside_items() == [aside]
    backend.put_back(aside.id)
    assert backend.projects() == ["flowers-1"]


def test_an_item_is_removed_only_on_request(backend, flowers):
    backend.set_aside("flowers-1")
    backend.sweep()
    backend.remove_project("flowers-1")
    (aside,) = backend.set_aside_items()
    for _time in range(2):
        backend.remove_set_aside(aside.id)
    assert backend.set_aside_items() == []


@pytest.mark.parametrize("name", ["../flowers-1", "flowers-1", "", "/etc"])
def test_no_id_leads_out_of_the_set_aside_folder(backend, flowers, name):
    backend.set_aside("other-1")
    backend.remove_set_aside(name)
    backend.put_back(name)
    assert flowers.exists()
    assert orphans.set_aside_items(backend.folders) == list[SetAsideItem]()
