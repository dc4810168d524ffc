"""Environments on this machine: the list of them, their sizes, and their removal."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sessions.backends import BuildSpec
from sessions.backends.local import LocalBackend
from sessions.backends.local.keeper.files import remove
from tests.backends.waiting import ask, built, removed, settled, until


@pytest.fixture
def made(backend: LocalBackend):
    """Return a function that makes a finished environment with one file of a million bytes."""

    def make(name: str) -> Path:
        folder = backend.folders.environment(name)
        (folder / "env").mkdir(parents=True)
        (folder / "env/data").write_bytes(b"x" * 1_000_000)
        (folder / "result.json").write_text("{}")
        return folder

    return make


def names(backend: LocalBackend) -> set[str]:
    return {image.name for image in backend.images()}


def test_finished_environments_are_listed_with_their_size(backend, made):
    made("whole-1")
    (backend.folders.environments / "half").mkdir()
    assert "whole-1" in names(backend)
    assert "half" not in names(backend)
    assert 1_000_000 <= backend.image_size("whole-1") < 1_200_000
    base = backend.folders.cache / "base-of-a-test"  # what is linked to it is not counted
    base.mkdir()
    os.link(next((backend.folders.environment("whole-1") / "env").iterdir()), base / "file")
    assert backend.image_size("whole-1") < 100_000
    remove(base)
    assert backend.image_size("nowhere") is None
    backend.remove_image("whole-1")


def test_removing_an_environment_twice_is_no_error(backend, made):
    folder, other = made("gone-1"), made("stays-1")
    for _time in range(2):
        backend.remove_image("gone-1")
    assert not backend.has_image("gone-1")
    assert not folder.exists()
    assert other.exists()
    backend.remove_image("stays-1")


def test_an_interrupted_removal_is_completed_next_time(backend, made):
    left = backend.folders.environments / ".cut-1.0123abcd.dropped"
    os.rename(made("cut-1"), left)
    assert not backend.has_image("cut-1")
    assert "cut-1" not in names(backend)
    assert not left.exists()


def test_an_environment_without_write_permission_is_removed(backend, made):
    folder = made("locked-1")
    (folder / "env").chmod(0o500)
    backend.remove_image("locked-1")
    assert not folder.exists()


def test_a_removed_environment_stays_until_its_notebook_ends(backend, order, wish):
    spec: BuildSpec = built(backend, order({"index.ipynb": "{}"}))
    server = wish(spec)
    backend.ensure_server(server)
    address = settled(backend, server).address
    backend.remove_image(spec.image)
    assert not backend.has_image(spec.image)
    kept = list(backend.folders.environments.glob(f".{spec.image}.*.dropped"))
    assert len(kept) == 1
    assert ask(address, "/api/kernelspecs", server.token)[0] == 200
    removed(backend, server.id)
    until(lambda: spec.image not in names(backend) and not kept[0].exists(), 20)


def test_the_reported_disk_is_that_of_the_data_folder(backend):
    there_is = backend.capacity()
    assert 0 < there_is.disk_free_gb < there_is.disk_gb
