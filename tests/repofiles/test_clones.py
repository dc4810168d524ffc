"""Clone repositories from a real git server: history, refs, links and our own files."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sessions.repofiles import gitclone
from sessions.repofiles.gitclone import main
from tests.githttp import GitServer
from tests.repofiles.cloning import clone, clone_last

pytestmark = pytest.mark.servers
LARGE = 2_000_000


def noise(size: int, seed: int = 1) -> bytes:
    return random.Random(seed).randbytes(size)


def with_history(server: GitServer, name: str) -> str:
    """Make a repository of three commits, whose history is much larger than its files."""
    server.repository(name, {"a": noise(LARGE)})
    server.repository(name, {"a": noise(LARGE, 2)})
    return server.repository(name, {"a": "small"})


def test_a_clone_has_the_files_history_branches_and_tags(git_server: GitServer, tmp_path: Path):
    url = git_server.repository("ada/usual", {"a": "1"})
    git_server.repository("ada/usual", {"a": "2"})
    git_server.branch("ada/usual", "dev", {"a": "3"}, start="HEAD~1")
    git_server.tag("ada/usual", "v1", annotated=True)
    got = clone_last(tmp_path / "x", git_server, "ada/usual")
    assert got.notes == []
    assert got.read("a") == "2"
    assert got.git("status", "--porcelain", "--branch") == "## main...origin/main\n"
    assert got.git("rev-list", "--count", "HEAD") == "2\n"
    assert got.git("rev-parse", "--is-shallow-repository") == "false\n"
    assert got.git("for-each-ref", "--format=%(refname)", "refs/remotes").split() == [
        "refs/remotes/origin/HEAD",
        "refs/remotes/origin/dev",
        "refs/remotes/origin/main",
    ]
    assert got.git("tag") == "v1\n"
    assert got.git("config", "remote.origin.url") == f"{url}\n"
    assert got.git("fsck") == ""
    assert "error" not in got.git("checkout", "dev")
    assert got.read("a") == "3"


def test_without_a_ref_the_default_branch_is_checked_out(git_server: GitServer, tmp_path: Path):
    url = git_server.repository("ada/trunk-only", {"a": "1"}, branch="trunk")
    got = clone(tmp_path / "x", url, git_server.commit("ada/trunk-only"))
    assert got.git("symbolic-ref", "HEAD") == "refs/heads/trunk\n"


@pytest.mark.parametrize("ref", ["v1", ""])
def test_a_tag_or_an_old_commit_leaves_no_branch(git_server: GitServer, tmp_path: Path, ref: str):
    name = f"ada/tagged{ref}"
    url = git_server.repository(name, {"a": "1"})
    commit = git_server.tag(name, "v1")
    git_server.repository(name, {"a": "2"})
    got = clone(tmp_path / "x", url, commit, ref or commit)
    assert got.read("a") == "1"
    assert got.git("rev-parse", "HEAD") == f"{commit}\n"
    assert got.git("branch") == "* (no branch)\n"
    assert got.git("log", "--format=%s", "origin/main").count("\n") == 2


def test_a_long_history_does_not_count_against_the_limit(git_server: GitServer, tmp_path: Path):
    with_history(git_server, "ada/long")
    got = clone_last(tmp_path / "x", git_server, "ada/long", limit=LARGE // 2)
    assert got.read("a") == "small"
    assert "git fetch --unshallow" in got.notes[0]
    assert got.git("rev-list", "--count", "HEAD") == "1\n"
    assert got.git("status", "--porcelain", "--branch") == "## main...origin/main\n"
    assert sum(path.stat().st_size for path in got.folder.rglob("*")) < LARGE // 2
    got.git("fetch", "--quiet", "--unshallow")
    assert got.git("rev-list", "--count", "HEAD") == "3\n"


def test_files_that_are_too_large_by_themselves_are_cloned_for_the_back_end_to_refuse(
    git_server: GitServer, tmp_path: Path
):
    git_server.repository("ada/huge", {"a": noise(LARGE)})
    got = clone_last(tmp_path / "x", git_server, "ada/huge", limit=LARGE // 2)
    assert (got.folder / "a").stat().st_size == LARGE


@pytest.mark.parametrize(
    "manners",
    [
        {"filters": False},
        {"protocol": 0},
        {"protocol": 0, "by_id": False, "filters": False},
    ],
)
@pytest.mark.parametrize("number", [0, 1])
def test_servers_with_few_features_give_the_commit(
    git_server: GitServer, tmp_path: Path, manners: dict[str, Any], number: int
):
    name = f"ada/plain-{len(manners)}-{manners.get('protocol', 2)}"
    git_server.repository(name, {"a": "0"})
    git_server.repository(name, {"a": "1"})
    git_server.restrict(name, **manners)
    commit = git_server.commit(name, f"HEAD~{1 - number}")
    got = clone(tmp_path / "x", git_server.url(name), commit, "main")
    assert got.read("a") == str(number) and got.notes == []
    assert got.git("rev-parse", "HEAD") == f"{commit}\n"
    assert "fatal: " not in got.log and "error: " not in got.log


def test_a_missing_commit_ends_with_a_message(git_server: GitServer, tmp_path: Path):
    git_server.repository("ada/usual-2", {"a": "1"})
    got = clone(tmp_path / "x", git_server.url("ada/usual-2"), "d" * 40, "main")
    assert got.status == 1 and got.answer == {}
    assert "dddddddd" in got.log


def test_the_last_commit_of_a_pull_request_is_cloned(git_server: GitServer, tmp_path: Path):
    url = git_server.repository("ada/asked", {"a": "1"})
    commit = git_server.branch("ada/asked", "theirs", {"a": "2"})
    folder = f"--git-dir={git_server.folder('ada/asked')}"
    subprocess.run(["git", folder, "update-ref", "refs/pull/12/head", commit], check=True)
    git_server.drop_branch("ada/asked", "theirs")
    git_server.restrict("ada/asked", protocol=0, by_id=False)
    got = clone(tmp_path / "x", url, commit, "refs/pull/12/head")
    assert got.read("a") == "2"
    assert got.git("rev-parse", "HEAD") == f"{commit}\n"


def test_a_branch_may_look_like_a_commit(git_server: GitServer, tmp_path: Path):
    name = "ada/hexadecimal"
    git_server.repository(name, {"a": "1"})
    git_server.branch(name, "c" * 40, {"a": "2"})
    got = clone_last(tmp_path / "x", git_server, name, "c" * 40)
    assert got.read("a") == "2"
    assert got.git("symbolic-ref", "HEAD") == f"refs/heads/{'c' * 40}\n"


def test_of_very_many_branches_only_one_is_fetched(git_server: GitServer, tmp_path: Path):
    name = "ada/crowded"
    git_server.repository(name, {"a": "1"})
    git_server.repository(name, {"a": "2"})
    commit = git_server.commit(name)
    lines = "".join(f"{commit} refs/heads/topic/{number}\n" for number in range(20_000))
    (git_server.folder(name) / "packed-refs").write_text(f"# pack-refs with: sorted\n{lines}")
    got = clone_last(tmp_path / "x", git_server, name)
    assert got.notes == ["The repository has 20,001 branches and tags. Only “main” was fetched."]
    assert "topic" not in got.git("for-each-ref")
    assert got.git("rev-list", "--count", "HEAD") == "2\n"
    assert got.git("config", "remote.origin.fetch").count("main") == 2


def test_branches_may_have_names_that_are_not_utf8_or_differ_by_case(
    git_server: GitServer, tmp_path: Path
):
    name = "ada/odd-names"
    git_server.repository(name, {"Read.txt": "1", "read.txt": "2", "caf\udce9.txt": "3"})
    folder = f"--git-dir={git_server.folder(name)}"
    for branch in (b"refs/heads/caf\xe9", b"refs/heads/Topic", b"refs/heads/topic"):
        subprocess.run(["git", folder, "update-ref", branch, "HEAD"], check=True)
    got = clone_last(tmp_path / "x", git_server, name, "Topic")
    assert got.notes == []
    assert got.git("symbolic-ref", "HEAD") == "refs/heads/Topic\n"
    assert (got.read("Read.txt"), got.read("read.txt")) == ("1", "2")
    assert (got.folder / os.fsdecode(b"caf\xe9.txt")).read_text() == "3"


def test_names_that_are_too_long_for_linux_are_left_out_and_named(
    git_server: GitServer, tmp_path: Path
):
    long = "\N{CJK UNIFIED IDEOGRAPH-6587}" * 90
    git_server.repository("ada/east", {long: "1", f"data/{long}": "2", "a": "3"})
    got = clone_last(tmp_path / "x", git_server, "ada/east")
    assert got.read("a") == "3" and "fatal: " not in got.log
    (note,) = got.notes
    assert note.startswith("Left out, because Linux allows no file names of more than 255 bytes: ")
    assert "data/\N{CJK UNIFIED IDEOGRAPH-6587}" in note
    assert got.git("status", "--porcelain", "--branch") == "## main...origin/main\n"
    (got.folder / "a").write_text("4")
    got.git("commit", "--all", "--message=x")
    assert got.git("show", "--format=", "--name-only") == "a\n"


def test_a_repository_without_branches_is_cloned_with_its_history(
    git_server: GitServer, tmp_path: Path
):
    git_server.repository("ada/bare", {"a": "1"})
    url = git_server.repository("ada/bare", {"a": "2"})
    commit = git_server.commit("ada/bare")
    (git_server.folder("ada/bare") / "HEAD").write_text(f"{commit}\n")
    git_server.drop_branch("ada/bare", "main")
    got = clone(tmp_path / "x", url, commit)
    assert got.notes == []
    assert got.git("rev-list", "--count", "HEAD") == "2\n"


def test_a_history_that_the_server_refuses_is_not_called_long(
    git_server: GitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    git_server.repository("ada/refused", {"a": "1"})
    url = git_server.repository("ada/refused", {"a": "2"})
    folder = str(tmp_path / "x")
    subprocess.run(["git", "clone", "--quiet", "--depth=1", url, folder], check=True)
    git_server.lock("ada/refused")
    for name, value in gitclone.environment(plain_http=True).items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(folder)
    (note,) = main._fetch_history(folder, git_server.commit("ada/refused"), "main", 10**9)
    assert note.startswith("The history could not be fetched (could not read Username for ")


def test_links_out_of_the_repository_are_kept_and_named(git_server: GitServer, tmp_path: Path):
    name = "ada/linked"
    git_server.repository(name, {"a": "1"})
    for path, target in (("data", "/scratch/x"), ("sub/up", "../../y"), ("gone", "nothing")):
        git_server.symlink(name, path, target)
    git_server.symlink(name, "fine", "a")
    got = clone_last(tmp_path / "x", git_server, name)
    assert got.notes == [
        (
            "Symbolic links that lead nowhere in the repository, kept as they are: "
            "data → /scratch/x, gone → nothing, sub/up → ../../y."
        )
    ]
    assert (got.folder / "data").readlink() == Path("/scratch/x")


def test_files_of_the_notebooks_programs_are_ignored(git_server: GitServer, tmp_path: Path):
    git_server.repository("ada/own", {"a": "1", ".jupyter/shared.py": "", ".ssh/config": ""})
    got = clone_last(tmp_path / "x", git_server, "ada/own")
    for path in (".ipython/profile_default/main.sqlite", ".ssh/ssh.priv", ".local/bin/x",
                 ".npm/x", ".cache/x", ".bash_history", "b/.ipynb_checkpoints/c"):  # fmt: skip
        (got.folder / path).parent.mkdir(parents=True, exist_ok=True)
        (got.folder / path).write_text("private")
    (got.folder / ".jupyter/new.py").write_text("")
    (got.folder / "new").write_text("")
    got.git("add", "--all")
    assert got.git("status", "--porcelain") == "A  .jupyter/new.py\nA  new\n"
