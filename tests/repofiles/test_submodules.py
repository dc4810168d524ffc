"""Submodules of clones: each is had or named, whatever the others do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sessions.repofiles.gitclone.submodules import addresses
from tests.githttp import GitServer
from tests.repofiles.cloning import Cloned, clone_last

pytestmark = pytest.mark.servers


def whole(
    server: GitServer, folder: Path, modules: dict[str, tuple[str, str]], **more: Any
) -> Cloned:
    """Clone a repository with submodules: address and commit by path."""
    name = f"ada/whole-{abs(hash(str(folder)))}"
    declared = (
        f'[submodule "{path}"]\n\tpath = {path}\n\turl = {url}\n'
        for path, (url, _commit) in modules.items()
        if url
    )
    server.repository(name, {"a": "1", ".gitmodules": "".join(declared)})
    for path, (_url, commit) in modules.items():
        server.submodule(name, path, commit)
    return clone_last(folder, server, name, **more)


@pytest.fixture
def part(git_server: GitServer) -> str:
    """A repository's last commit but one; the last one is newer."""
    if git_server.folder("ada/submodule").exists():
        return git_server.commit("ada/submodule", "HEAD~1")
    git_server.repository("ada/submodule", {"part.txt": "of the whole"})
    commit = git_server.commit("ada/submodule")
    git_server.repository("ada/submodule", {"part.txt": "newer"})
    return commit


@pytest.mark.parametrize(
    "url",
    [
        "{base}/ada/submodule.git",
        "{base}/ada/submodule",
        "../submodule.git",
        "../../ada/submodule.git",
        "git@{host}:ada/submodule.git",
        "{host}:ada/submodule.git",
        "ssh://git@{host}/ada/submodule.git",
        "ssh://git@{host}:2222/ada/submodule.git",
        "git+ssh://git@{host}/ada/submodule.git",
        "git://{host}/ada/submodule.git",
    ],
)
def test_a_public_submodule_is_fetched_however_its_address_is_written(
    git_server: GitServer, tmp_path: Path, part: str, url: str
):
    address = url.format(host="127.0.0.1", base=f"http://{git_server.host}")
    got = whole(git_server, tmp_path / "x", {"sub/part": (address, part)})
    assert got.notes == []
    assert got.read("sub/part/part.txt") == "of the whole"
    assert got.git("status", "--porcelain") == ""
    assert got.git("-C", "sub/part", "rev-list", "--count", "origin/main") == "2\n"


def test_what_cannot_be_had_is_named_and_the_rest_is_there(
    git_server: GitServer, tmp_path: Path, part: str
):
    url = git_server.url("ada/submodule")
    got = whole(
        git_server,
        tmp_path / "x",
        {
            "first": (git_server.url("ada/never"), part),
            "nowhere": ("", part),
            "newer": (url, "d" * 40),
            "local": ("/srv/ada/submodule.git", part),
            "private": (git_server.lock("ada/secret"), part),
            "there": (url, part),
        },
    )
    assert got.read("there/part.txt") == "of the whole"
    assert got.read("a") == "1"
    told = {note.split()[2]: note for note in got.notes}
    assert set(told) == {"first", "nowhere", "newer", "local", "private"}
    assert "it does not exist there, or is private" in told["first"]
    assert "it does not exist there, or is private" in told["private"]
    assert ".gitmodules has no address for it" in told["nowhere"]
    assert "its commit dddddddddd is not there" in told["newer"]
    assert "its address is not one for https or ssh" in told["local"]
    assert not any((got.folder / "first").iterdir())
    assert got.git("status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("update = none", ".gitmodules says not to fetch it"),
        ("update = !touch pwned", "it could not be fetched"),
        ("path = other", ".gitmodules has no address for it"),
    ],
)
def test_a_strange_declaration_costs_its_submodule_only(
    git_server: GitServer, tmp_path: Path, part: str, more: str, why: str
):
    name = f"ada/strange-{len(more)}"
    modules = f'[submodule "m"]\n\tpath = m\n\turl = ../submodule.git\n\t{more}\n'
    git_server.repository(name, {".gitmodules": modules})
    git_server.submodule(name, "m", part)
    got = clone_last(tmp_path / "x", git_server, name)
    assert [why in note for note in got.notes] == [True], got.notes
    assert got.git("rev-list", "--count", "HEAD") == "2\n"
    assert not list(tmp_path.rglob("pwned"))


def test_a_server_that_does_not_answer_is_asked_for_one_submodule(
    git_server: GitServer, tmp_path: Path, part: str
):
    with GitServer() as dead:
        modules = {f"m{number}": (dead.hang(f"ada/m{number}"), part) for number in range(4)}
        there = {"there": (git_server.url("ada/submodule"), part)}
        patience = {"GIT_HTTP_LOW_SPEED_TIME": "1"}
        got = whole(git_server, tmp_path / "x", {**modules, **there}, **patience)
        assert {path.split("/")[2] for path in dead.requests} == {"m0.git"}
    assert got.read("there/part.txt") == "of the whole"
    assert len(got.notes) == 4 and "too slow" in got.notes[0]
    assert got.notes[3].endswith(f"is empty: fatal: http://{dead.host} has not answered before.")


def test_an_unreadable_declaration_costs_the_submodules_only(
    git_server: GitServer, tmp_path: Path, part: str
):
    git_server.repository("ada/unreadable", {"a": "1", ".gitmodules": '[submodule "m\n'})
    git_server.submodule("ada/unreadable", "m", part)
    got = clone_last(tmp_path / "x", git_server, "ada/unreadable")
    assert got.notes == ["The submodule m is empty: .gitmodules has no address for it."]
    assert got.git("rev-list", "--count", "main") == "2\n"


def test_submodules_of_submodules_are_fetched_relative_to_theirs(
    git_server: GitServer, tmp_path: Path, part: str
):
    modules = '[submodule "deep"]\n\tpath = deep\n\turl = ../part.git\n'
    git_server.repository("bob/middle", {".gitmodules": modules})
    git_server.repository("bob/part", {"part.txt": "bob's"})
    middle = git_server.submodule("bob/middle", "deep", git_server.commit("bob/part"))
    url = "git@127.0.0.1:bob/middle.git"
    got = whole(git_server, tmp_path / "x", {"middle": (url, middle)})
    assert got.notes == []
    assert got.read("middle/deep/part.txt") == "bob's"


GITHUB = "https://github.com/ada/submodule.git"


@pytest.mark.parametrize(
    ("url", "parent", "has_key", "expected"),
    [
        ("git@github.com:ada/submodule.git", "https://gitlab.com/a/b.git", False, [GITHUB]),
        ("git@github.com:ada/submodule.git", "ssh://git@github.com/a/b", True,
         ["git@github.com:ada/submodule.git", GITHUB]),
        ("ssh://git@ssh.github.com:443/ada/submodule.git", "https://gitlab.com/a/b", False,
         [GITHUB]),
        ("http://github.com/ada/submodule.git", "https://gitlab.com/a/b", False,
         [GITHUB, "http://github.com/ada/submodule.git"]),
        ("git@git.example.org:x/y", "https://git.example.org:8443/a/b", False,
         ["https://git.example.org:8443/x/y"]),
        ("git@github.com:ada/my part.git", "https://a.b/c", False,
         ["https://github.com/ada/my%20part.git"]),
        ("git@host:~ada/submodule.git", "https://a.b/c", False, ["git@host:~ada/submodule.git"]),
        ("https://a.b/c", "https://a.b/d", False, ["https://a.b/c"]),
        ("file:///srv/x", "https://a.b/d", False, ["file:///srv/x"]),
        ("ext::sh -c x", "https://a.b/d", False, ["ext::sh -c x"]),
        ("/srv/x", "https://a.b/d", False, ["/srv/x"]),
    ],
)  # fmt: skip
def test_addresses_for_ssh_are_tried_by_https(
    url: str, parent: str, has_key: bool, expected: list[str]
):
    assert addresses(url, parent, has_key=has_key) == expected
