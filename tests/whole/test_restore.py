"""A portal with people in it is backed up while it runs, and restored to an empty place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from sessions.backends.local.keeper.files import remove
from tests import scratch
from tests.githttp import GitServer
from tests.kernel import Kernel
from tests.stack import Api, Stack, started

pytestmark = [
    pytest.mark.stack,
    pytest.mark.slow("a second portal starts, with a notebook of its own", seconds=180),
]

WRITE = """
import pathlib
(pathlib.Path("/home/ada-nfs-pvc") / "mine.txt").write_text("volume")
pathlib.Path("/home/jovyan/work.txt").write_text("project")
"""
READ = """
import pathlib, subprocess
print((pathlib.Path("/home/ada-nfs-pvc") / "mine.txt").read_text())
print(pathlib.Path("/home/jovyan/work.txt").read_text())
print(subprocess.check_output(["ssh-keygen", "-y", "-f", "/home/jovyan/.ssh/ssh.priv"], text=True))
"""


@pytest.fixture
def kept() -> Iterator[Path]:
    folder = scratch.folder()
    yield folder / "kept"
    remove(folder)


def test_a_restored_portal_has_all_projects_keys_and_files(
    stack: Stack, git: GitServer, ada: Api, kept: Path
) -> None:
    name = ada.launch(git.repository("ada/kept", {"index.ipynb": "{}"}))
    ada.until(name, "ready")
    with Kernel(ada, name) as kernel:
        assert kernel.run(WRITE) == ""
    public = ada.http.get("ssh-key/").json()["public_key"]
    stack.manage("back_up", str(kept))
    assert ada.project(name)["state"] == "ready"

    new = Stack(PORTAL_TRUSTED_GIT_HOSTS=urlsplit(git.url("ada/kept")).netloc)
    new.warm_up(stack.data)
    new.manage("restore", str(kept))

    with started(new), Api(new, ada.token) as again:
        project = again.project(name)
        assert project["state"] == "failed"
        assert "Start it again" in project["message"]
        assert again.http.get("ssh-key/").json()["public_key"] == public
        again.verb(name, "start")
        again.until(name, "ready")
        with Kernel(again, name) as kernel:
            volume, work, key = kernel.run(READ).split("\n")[:3]
        assert (volume, work) == ("volume", "project")
        assert key.split()[:2] == public.split()[:2]
