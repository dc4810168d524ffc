"""``~/.ssh`` of a notebook on this machine: the person's own, with links to a key that is stored
elsewhere; a trap that their code sets there leads nobody out.
"""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from keys.keypairs import SshIdentity
from sessions.backends import BuildSpec, ServerSpec
from sessions.backends.local import LocalBackend, keyfiles
from sessions.backends.local.folders import SERVER
from sessions.backends.local.keeper.files import remove
from sessions.backends.local.keeper.home import link_keys
from tests import scratch
from tests.backends.inside import Inside, image
from tests.backends.waiting import removed, settled, until
from tests.sshd import new_identity

PRIVATE, PUBLIC = "/run/ssh/ssh.priv", "/run/ssh/ssh.pub"
SOMEBODY = 12345


def links(home: Path) -> list[str]:
    return [os.readlink(home / ".ssh" / name) for name in ("ssh.priv", "ssh.pub")]


# --- What the keeper makes of the person's files ---------------------------------------------
def test_the_private_ssh_folder_links_to_the_key(tmp_path: Path) -> None:
    for _time in range(2):
        link_keys(tmp_path)
        assert links(tmp_path) == [PRIVATE, PUBLIC]
        assert stat.S_IMODE((tmp_path / ".ssh").stat().st_mode) == 0o700
        assert sorted(os.listdir(tmp_path / ".ssh")) == ["ssh.priv", "ssh.pub"]


def test_other_files_in_the_ssh_folder_stay(tmp_path: Path) -> None:
    (tmp_path / ".ssh").mkdir(0o755)
    (tmp_path / ".ssh/known_hosts").write_text("known")
    link_keys(tmp_path)
    assert (tmp_path / ".ssh/known_hosts").read_text() == "known"
    assert stat.S_IMODE((tmp_path / ".ssh").stat().st_mode) == 0o755


@pytest.mark.parametrize("target", ["out", "/etc", "nowhere", ".ssh"])
def test_a_link_in_place_of_the_folder_is_moved_aside(tmp_path: Path, target: str) -> None:
    home, out = tmp_path / "home", tmp_path / "out"
    home.mkdir()
    out.mkdir()
    (home / ".ssh").symlink_to(out if target == "out" else target)
    link_keys(home)
    assert links(home) == [PRIVATE, PUBLIC]
    assert (home / ".ssh.1").is_symlink()
    assert list(out.iterdir()) == []


def test_a_file_in_place_of_the_folder_is_moved_aside(tmp_path: Path) -> None:
    (tmp_path / ".ssh").write_text("mine")
    (tmp_path / ".ssh.1").write_text("from before")
    link_keys(tmp_path)
    assert links(tmp_path) == [PRIVATE, PUBLIC]
    assert (tmp_path / ".ssh.2").read_text() == "mine"
    assert (tmp_path / ".ssh.1").read_text() == "from before"


@pytest.mark.parametrize("kind", ["link", "file", "folder", "pipe"])
def test_anything_in_place_of_a_link_is_moved_aside(tmp_path: Path, kind: str) -> None:
    home, out = tmp_path / "home", tmp_path / "out"
    (home / ".ssh").mkdir(parents=True)
    there = home / ".ssh/ssh.priv"
    make: dict[str, Callable[[], None]] = {
        "link": lambda: there.symlink_to(out),
        "file": there.touch,
        "folder": there.mkdir,
        "pipe": lambda: os.mkfifo(there),
    }
    make[kind]()
    link_keys(home)
    assert links(home) == [PRIVATE, PUBLIC]
    assert os.path.lexists(home / ".ssh/ssh.priv.1")
    assert not out.exists()


@pytest.fixture
def passable() -> Iterator[Path]:
    """A folder that users of any uid can reach."""
    folder = scratch.folder()
    yield folder
    remove(folder)


@pytest.mark.parametrize("mode", [0o000, 0o500, 0o111])
def test_an_ssh_folder_without_permissions_is_no_obstacle(passable: Path, mode: int) -> None:
    """Tried by somebody who is not root, who would get everywhere."""
    home = passable / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh/known_hosts").touch()
    (home / ".ssh").chmod(mode)
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", f"{SOMEBODY}:{SOMEBODY}", home], check=True)
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setresuid(SOMEBODY, SOMEBODY, SOMEBODY)
            link_keys(home)
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert links(home) == [PRIVATE, PUBLIC]


# --- With a notebook that runs ---------------------------------------------------------------
LOOK = """
import json, os, subprocess
there = "/home/jovyan/.ssh"
def tried(path):
    try:
        open(path, "a").write("x")
        return "written"
    except OSError as error:
        return error.strerror
print(json.dumps({
    "mode": oct(os.stat(there + "/ssh.priv").st_mode),
    "mine": os.stat(there + "/ssh.priv").st_uid == os.getuid(),
    "public": open(there + "/ssh.pub").read(),
    "known": open("/run/ssh/known_hosts").read(),
    "writes": [tried(there + "/" + name) for name in ("ssh.priv", "ssh.pub", "known_hosts")],
    "agrees": subprocess.run(["ssh-keygen", "-y", "-f", there + "/ssh.priv"],
                             capture_output=True, text=True).stdout,
    "told": sorted(line for line in subprocess.run(["ssh", "-G", "git.example.org"],
        capture_output=True, text=True).stdout.splitlines()
        if line.startswith(("identityfile ~/.ssh/ssh", "globalknown", "stricthost"))),
}))
"""


class Keyed(Inside):
    """A local back end that uses a key of the test's for whoever starts a notebook."""

    identity: SshIdentity

    def start(self, program: str, owner: str = "ada", memory: float = 2.0) -> ServerSpec:
        plain = self.wish
        self.wish = lambda *words, **more: replace(plain(*words, **more), identity=self.identity)
        try:
            return super().start(program, owner, memory)
        finally:
            self.wish = plain


@pytest.fixture
def inside(backend, order, wish, images) -> Keyed:
    keyed = Keyed(backend, image(backend, order, images), wish)
    keyed.identity = new_identity("git.example.org ssh-ed25519 AAAA\n")
    return keyed


@pytest.mark.slow("a build and a notebook", seconds=120)
def test_ssh_uses_the_key_and_it_is_read_only(inside: Keyed) -> None:
    seen = inside.answer(LOOK)
    assert isinstance(seen, dict)
    assert seen["mode"] == "0o100600" and seen["mine"]
    assert seen["public"].strip() == seen["agrees"].strip() == inside.identity.public
    assert seen["known"] == "git.example.org ssh-ed25519 AAAA\n"
    assert seen["writes"] == ["Read-only file system", "Read-only file system", "written"]
    assert seen["told"] == [
        "globalknownhostsfile /run/ssh/known_hosts",
        "identityfile ~/.ssh/ssh.priv",
        "stricthostkeychecking accept-new",
    ]


@pytest.mark.slow("a build and a notebook", seconds=120)
def test_a_notebook_starts_without_a_key(
    backend: LocalBackend, order: Callable[..., BuildSpec], wish: Callable[..., ServerSpec],
    images: dict[str, BuildSpec],
) -> None:  # fmt: skip
    server = wish(image(backend, order, images))
    backend.ensure_server(server)
    assert settled(backend, server).state == "ready"
    assert not (backend.folders.project(server.name) / "home/.ssh").exists()
    removed(backend, server.id)


@pytest.mark.slow("a build and a notebook", seconds=120)
def test_the_key_is_on_disk_only_while_the_run_exists(inside: Keyed, backend: LocalBackend) -> None:
    server = inside.start("")
    settled(backend, server)
    folder = backend.folders.keeper(SERVER, server.id)
    private = folder / "ssh/ssh.priv"
    secret = inside.identity.private.splitlines()[3]
    held = [path for path in folder.rglob("*") if path.is_file() and secret in _text(path)]
    assert held == [private]
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert private.stat().st_uid == folder.stat().st_uid
    assert "ssh.priv" not in json.dumps(json.loads((folder / "job.json").read_text()))
    removed(backend, server.id)
    until(lambda: not backend.servers() and not folder.exists())  # looking sweeps


@pytest.mark.slow("a build and a notebook", seconds=120)
def test_a_key_is_renewed_in_live_runs_and_removed_from_ended_ones(
    inside: Keyed, backend: LocalBackend
) -> None:
    ended, runs = inside.start(""), inside.start("")
    for server in (ended, runs):
        settled(backend, server)
    backend.remove_server(ended.id)
    until(lambda: {report.id: report.state for report in backend.servers()}[ended.id] == "gone")
    before = (backend.folders.keeper(SERVER, runs.id) / "ssh/ssh.priv").read_text()
    backend.renew_identity("ada", renewed := new_identity())
    held = [backend.folders.keeper(SERVER, server.id) / "ssh/ssh.priv" for server in (ended, runs)]
    assert [path.read_text() for path in held] == [before, renewed.private]
    backend.forget_identity("ada")
    assert [path.exists() for path in held] == [False, True]


def test_forgetting_a_key_leaves_similar_usernames_alone(tmp_path: Path) -> None:
    for number, owner in enumerate(("ada", "ada2", "Ada"), start=1):
        folder = tmp_path / f"server-{number}"
        folder.mkdir()
        (folder / "job.json").write_text(json.dumps({"name": owner, "volume": f"/homes/{owner}"}))
        (folder / "status.json").write_text(json.dumps({"state": "ended"}))
        (folder / "ssh").mkdir()
    keyfiles.forget(tmp_path, "ada")
    there = [(tmp_path / f"server-{number}/ssh").exists() for number in (1, 2, 3)]
    assert there == [False, True, True]


def _text(path: Path) -> str:
    return path.read_text(errors="replace")
