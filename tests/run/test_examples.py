"""The bundled examples are repositories that git can clone from the portal."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.test import Client

from portal.run import examples

pytestmark = pytest.mark.django_db  # the page that says what is not there knows what is announced


def git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], check=True, capture_output=True, text=True, timeout=20
    )
    return done.stdout


@pytest.fixture
def published(settings: LazySettings, tmp_path: Path) -> Path:
    settings.PORTAL_DATA = tmp_path / "data"
    examples.publish()
    return tmp_path


def head(folder: Path, name: str) -> str:
    return git("--git-dir", str(folder / "data/examples" / f"{name}.git"), "rev-parse", "HEAD")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", examples.NAMES)
def test_git_clones_an_example_from_the_portal(name, published, live_server):
    address = f"{live_server.url}/examples/{name}.git"
    assert head(published, name).strip() in git("ls-remote", address, "refs/heads/main")
    git("clone", "--quiet", address, str(published / "copy"))
    there = {path.name for path in (published / "copy").iterdir()} - {".git"}
    here = {path.name for path in (Path(__file__).parents[2] / "examples" / name).iterdir()}
    assert there == here


def test_same_files_give_the_same_commit_everywhere(published, settings, tmp_path):
    first = head(published, "flowers")
    settings.PORTAL_DATA = tmp_path / "elsewhere"
    examples.publish()
    settings.PORTAL_DATA = tmp_path / "data"
    examples.publish()
    assert head(tmp_path, "flowers") == first
    (tmp_path / "data").rename(tmp_path / "before")
    (tmp_path / "elsewhere").rename(tmp_path / "data")
    assert head(tmp_path, "flowers") == first


def test_a_script_stays_executable(published):
    repository = str(published / "data/examples/flowers.git")
    assert git("--git-dir", repository, "ls-tree", "HEAD", "postBuild").startswith("100755")


@pytest.mark.parametrize(
    "path",
    [
        "hello.git/config",
        "hello.git/index",
        "hello.git/objects/../config",
        "hello.git/objects/00/" + "../" * 13 + "x",
        "hello.git/objects/pack/../../config",
        "hello.git//etc/passwd",
        "hello.git/HEAD/",
        "hello.git/HEAD%0A",
        "other.git/HEAD",
        "..git/HEAD",
    ],
)
def test_only_files_that_git_needs_are_served(path, published):
    assert Client().get(f"/examples/{path}").status_code == 404


def test_an_example_is_read_only(published):
    assert Client().post("/examples/hello.git/HEAD").status_code == 405


def test_example_addresses_begin_with_the_portal_url(settings):
    settings.PORTAL_URL = "https://portal.example"
    assert [example.url for example in examples.list_examples()] == [
        "https://portal.example/examples/hello.git",
        "https://portal.example/examples/flowers.git",
    ]
