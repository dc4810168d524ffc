"""Files in Git LFS, from a real server: their contents, or a note that names them."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sessions.egress import proxy
from sessions.egress.addresses import EgressRules
from sessions.repofiles.gitclone.lfsserver import LfsRefused, LfsServer
from tests.githttp import GitServer
from tests.lfs import ATTRIBUTES, pointer
from tests.repofiles.cloning import Cloned, clone_last

pytestmark = pytest.mark.servers
DATA = bytes(range(256)) * 4000
OTHER = b"other" * 1000


def test_contents_stand_in_the_place_of_pointers(git_server: GitServer, tmp_path: Path):
    files = {
        ".gitattributes": ATTRIBUTES,
        "data.bin": git_server.lfs.add(DATA),
        "sub dir/tw\u00efn.bin": git_server.lfs.add(DATA),
        "run.bin": git_server.lfs.add(OTHER),
        "text.bin": "never was in it\n",
        "pointer.txt": pointer(b"not declared"),
    }
    git_server.repository("ada/heavy", files, executable=["run.bin"])
    got = clone_last(tmp_path / "x", git_server, "ada/heavy")
    assert got.notes == []
    assert (got.folder / "data.bin").read_bytes() == DATA
    assert (got.folder / "sub dir/tw\u00efn.bin").read_bytes() == DATA
    assert (got.folder / "run.bin").read_bytes() == OTHER
    assert (got.folder / "run.bin").stat().st_mode & 0o777 == 0o755
    assert got.read("text.bin") == "never was in it\n"
    assert got.read("pointer.txt") == pointer(b"not declared")


def moved(got: Cloned, folder: Path) -> Cloned:
    """Return a copy of the clone, as a project's folder is one."""
    shutil.copytree(got.folder, folder, symlinks=True)
    return Cloned(got.status, got.answer, got.log, folder)


def test_git_does_not_report_contents_as_changes(git_server: GitServer, tmp_path: Path):
    files = {".gitattributes": ATTRIBUTES, "data.bin": git_server.lfs.add(DATA), "a": "1"}
    git_server.repository("ada/unchanged", files)
    got = moved(clone_last(tmp_path / "x", git_server, "ada/unchanged"), tmp_path / "y")
    (got.folder / "data.bin").touch()
    assert got.git("status", "--porcelain") == ""
    got.git("add", "--all")
    assert got.git("diff", "--cached", "--name-only") == ""
    (got.folder / "data.bin").write_bytes(OTHER)
    assert got.git("status", "--porcelain") == " M data.bin\n"
    assert (got.folder / ".git/hooks/pre-push").stat().st_mode & 0o111


def test_missing_contents_are_named(git_server: GitServer, tmp_path: Path):
    replaced = git_server.lfs.add(b"was this")
    oid = replaced.split("sha256:")[1][:64]
    git_server.lfs.replaced[oid] = b"is that!"
    files = {f"gone{number}.bin": pointer(b"%d" % number) for number in range(7)}
    files |= {".gitattributes": ATTRIBUTES, "x.bin": replaced, "y.bin": git_server.lfs.add(OTHER)}
    git_server.repository("ada/partial", files)
    got = clone_last(tmp_path / "x", git_server, "ada/partial")
    assert sorted(got.notes) == [
        (
            "In Git LFS, but not fetched, because Object does not exist on the server: gone0.bin, "
            "gone1.bin, gone2.bin, gone3.bin, gone4.bin and 2 more. "
            "Small text files are in their place."
        ),
        (
            "In Git LFS, but not fetched, because the server sent something else: x.bin. "
            "Small text files are in their place."
        ),
    ]
    assert (got.folder / "y.bin").read_bytes() == OTHER
    assert got.read("x.bin") == replaced
    assert got.git("status", "--porcelain") == ""


def test_pointers_with_an_extension_are_named(git_server: GitServer, tmp_path: Path):
    strange = git_server.lfs.add(DATA).replace("oid", f"ext-0-x sha256:{'a' * 64}\noid")
    files = {".gitattributes": ATTRIBUTES, "a.bin": strange, "b.bin": git_server.lfs.add(OTHER)}
    git_server.repository("ada/extended", files)
    got = clone_last(tmp_path / "x", git_server, "ada/extended")
    assert ["extension" in note and "a.bin" in note for note in got.notes] == [True]
    assert (got.folder / "b.bin").read_bytes() == OTHER


def test_contents_count_against_the_limit_before_they_are_fetched(
    git_server: GitServer, tmp_path: Path
):
    alone = b"x" * 3_000_000
    files = {".gitattributes": ATTRIBUTES, "a.bin": git_server.lfs.add(alone)}
    git_server.repository("ada/too-heavy", files)
    before = len(git_server.lfs.served)
    got = clone_last(tmp_path / "x", git_server, "ada/too-heavy", limit=2_000_000)
    assert got.status == 1 and got.answer["code"] == "build.repository-too-large"
    assert "Git LFS" in got.answer["message"]
    assert len(git_server.lfs.served) == before


def test_a_submodules_contents_are_fetched_from_its_own_server(
    git_server: GitServer, tmp_path: Path
):
    files = {".gitattributes": ATTRIBUTES, "deep.bin": git_server.lfs.add(DATA)}
    git_server.repository("bob/heavy-part", files)
    modules = '[submodule "part"]\n\tpath = part\n\turl = ../../bob/heavy-part.git\n'
    git_server.repository("ada/light", {".gitmodules": modules})
    git_server.submodule("ada/light", "part", git_server.commit("bob/heavy-part"))
    got = clone_last(tmp_path / "x", git_server, "ada/light")
    assert got.notes == []
    assert (got.folder / "part/deep.bin").read_bytes() == DATA


@pytest.fixture
def way_out(git_server: GitServer) -> Iterator[str]:
    """The portal's proxy, which lets everybody to the git server and to nothing else here."""
    loop = asyncio.new_event_loop()
    rules = EgressRules(frozenset([git_server.host]))
    server = loop.run_until_complete(proxy.serve(rules, port=0))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    server.close()
    loop.close()


def test_the_servers_address_goes_through_the_egress_rules(
    git_server: GitServer, tmp_path: Path, way_out: str
):
    with GitServer() as other:
        files = {".gitattributes": ATTRIBUTES, "a.bin": other.lfs.add(DATA)}
        files[".lfsconfig"] = f"[lfs]\n\turl = {other.url('any')}/info/lfs\n"
        git_server.repository("ada/elsewhere", files)
        inside = clone_last(tmp_path / "x", git_server, "ada/elsewhere", http_proxy=way_out)
        assert "a.bin" in inside.notes[0] and other.requests == []
        free = clone_last(tmp_path / "y", git_server, "ada/elsewhere")
    assert (free.folder / "a.bin").read_bytes() == DATA


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("file:///etc", "not one that is allowed here"),
        ("{base}/ada/no-such.git/info/lfs", "no Git LFS"),
        ("{base}/ada/locked.git/info/lfs", "a sign-in"),
    ],
)
def test_a_server_that_does_not_help_is_explained(
    git_server: GitServer, tmp_path: Path, url: str, why: str
):
    git_server.lock("ada/locked")
    address = url.format(base=f"http://{git_server.host}").replace("/ada/no-such.git", "/ada/none")
    name = f"ada/told-{len(url)}"
    config = f"[lfs]\n\turl = {address}\n"
    files = {".gitattributes": ATTRIBUTES, "a.bin": pointer(b"a"), ".lfsconfig": config}
    git_server.repository(name, files)
    got = clone_last(tmp_path / "x", git_server, name)
    assert "a.bin" in got.notes[0] and why in got.notes[0]


def test_a_key_opens_the_lfs_server_that_ssh_names(tmp_path: Path, monkeypatch):
    program = tmp_path / "ssh"
    answer = '{"href": "https://lfs.example.org/x", "header": {"Authorization": "t0ken"}}'
    program.write_text(f'#!/bin/sh\necho "$@" >"$0.asked"\necho \'{answer}\'\n')
    monkeypatch.setenv("GIT_SSH_COMMAND", f"sh {program} -F none")
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "https:ssh")
    server = LfsServer.of_remote("ssh://git@git.example.org:2222/ada/secret garden.git")
    assert (server.url, server.headers) == (
        "https://lfs.example.org/x",
        {"Authorization": "t0ken"},
    )
    asked = program.with_name("ssh.asked").read_text().split(" -- ")
    assert asked == [
        "-F none -p 2222",
        "git@git.example.org git-lfs-authenticate '/ada/secret garden.git' download\n",
    ]
    program.write_text("exit 1\n")
    with pytest.raises(LfsRefused, match=r"git\.example\.org has no Git LFS for this key"):
        LfsServer.of_remote("git@git.example.org:ada/x.git")


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("https://git.example.org/a/b", "https://git.example.org/a/b.git/info/lfs"),
        ("https://git.example.org/a/b.git/", "https://git.example.org/a/b.git/info/lfs"),
        ("git@git.example.org:a/b.git", "https://git.example.org/a/b.git/info/lfs"),
    ],
)
def test_without_a_key_the_server_is_found_by_https(url: str, server: str, monkeypatch):
    monkeypatch.delenv("GIT_SSH_COMMAND", raising=False)
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "https:ssh")
    assert LfsServer.of_remote(url).url == server
