"""Repositories as people have them, built on this machine, and git in the notebook: it works
without any set-up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sessions.backends import BuildSpec, ServerSpec
from sessions.backends.local import LocalBackend
from sessions.repofiles.configuration import summary
from tests.backends.inside import START, Inside
from tests.backends.waiting import finished, log
from tests.githttp import GitServer
from tests.lfs import ATTRIBUTES

pytestmark = pytest.mark.slow("environments are built", seconds=150)
DATA = b"data" * 100_000
PROBE = """
import json, subprocess
def git(*words):
    done = subprocess.run(["git", *words], cwd="/home/jovyan", capture_output=True, text=True)
    return (done.stdout + done.stderr).strip()
open("/home/jovyan/mine", "w").write("mine")
print(json.dumps({
    "status": git("status", "--porcelain"),
    "data": open("/home/jovyan/data.bin").read(4),
    "part": open("/home/jovyan/part/part.txt").read(),
    "link": __import__("os").readlink("/home/jovyan/scratch"),
    "add": git("add", "--all"),
    "commit": git("commit", "--quiet", "--message", "mine"),
    "author": git("log", "-1", "--format=%an <%ae>"),
    "changed": git("show", "--format=", "--name-only"),
    "history": git("rev-list", "--count", "HEAD"),
}))
"""


@pytest.fixture
def spec(git: GitServer, order: Callable[..., BuildSpec]) -> BuildSpec:
    """A repository with history, a file in Git LFS, submodules and a link that leads out of it."""
    part = git.repository("ada/part", {"part.txt": "of the whole"})
    gone = part.replace("part.git", "never.git")
    modules = (
        '[submodule "part"]\n\tpath = part\n\turl = git@127.0.0.1:ada/part.git\n'
        f'[submodule "gone"]\n\tpath = gone\n\turl = {gone}\n'
    )
    files = {"start": START, ".gitattributes": ATTRIBUTES, ".gitmodules": modules}
    first = order({"index.ipynb": "{}"})
    name = first.url.removeprefix(f"http://{git.host}/").removesuffix(".git")
    git.repository(name, {**files, "data.bin": git.lfs.add(DATA)}, executable=["start"])
    git.symlink(name, "scratch", "/scratch/x")
    git.submodule(name, "gone", "c" * 40)
    return replace(first, commit=git.submodule(name, "part", git.commit("ada/part")))


def test_git_works_in_a_notebook(
    backend: LocalBackend, git: GitServer, spec: BuildSpec, wish: Callable[..., ServerSpec]
):
    backend.ensure_build(spec)
    assert finished(backend, spec).code == "", log(backend, spec.id)
    lines = log(backend, spec.id).splitlines()
    block = lines[lines.index(summary.HEADING) :]
    assert [line for line in block if line.startswith("Note: ")] == [
        (
            f"Note: The submodule gone (http://{git.host}/ada/never.git) is empty: it does not "
            "exist there, or is private."
        ),
        (
            "Note: Symbolic links that lead nowhere in the repository, kept as they are: "
            "scratch → /scratch/x."
        ),
    ]

    def adas(*more: Any) -> ServerSpec:
        return replace(wish(*more), author="Ada Lovelace", email="ada@example.org")

    found = Inside(backend, spec, adas).answer(PROBE)
    assert found == {
        "status": "?? mine",
        "data": "data",
        "part": "of the whole",
        "link": "/scratch/x",
        "add": "",
        "commit": "",
        "author": "Ada Lovelace <ada@example.org>",
        "changed": "mine",
        "history": "6",
    }


def test_a_link_in_the_place_of_a_file_for_builds_is_refused(
    backend: LocalBackend, git: GitServer, order: Callable[..., BuildSpec]
):
    first = order({"index.ipynb": "{}"})
    name = first.url.removeprefix(f"http://{git.host}/").removesuffix(".git")
    spec = replace(first, commit=git.symlink(name, "requirements.txt", "/etc/passwd"))
    backend.ensure_build(spec)
    report = finished(backend, spec)
    assert report.code == "build.symlink-outside"
    assert "requirements.txt" in report.message


def test_contents_in_git_lfs_count_against_the_limit(
    backend: LocalBackend, git: GitServer, order: Callable[..., BuildSpec], settings
):
    settings.PORTAL_REPOSITORY_LIMIT_MB = 1
    spec = order({".gitattributes": ATTRIBUTES, "data.bin": git.lfs.add(DATA * 4)})
    backend.ensure_build(spec)
    report = finished(backend, spec)
    assert report.code == "build.repository-too-large"
    assert "Git LFS" in report.message
