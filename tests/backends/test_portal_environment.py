"""The portal's environment holds its secrets: none of it is found in a notebook or a build."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sessions.backends.local import owners
from sessions.backends.local.keeper import SEARCH_PATH, status
from sessions.backends.local.keeper.files import remove
from tests import scratch
from tests.backends.inside import Inside
from tests.backends.test_fork_server import doors, server
from tests.backends.waiting import finished, log, removed, settled

__all__ = ["doors", "server"]

SECRET = "the password of the admin: c0a1f7"
READ = """
for each in /proc/[0-9]*; do
    echo $each
    cat $each/environ $each/cmdline | tr '\\0' '\\n'
done
"""
ORDINARY = 12_345
"""The uid of a user who is not root."""
RUN_WITH_SECRET = """
import asyncio, sys
sys.path[:0] = sys.argv[1:3]
from keeper import privileges, program
from keeper.jobs import Bounds, Site
from keeper.sandbox import Bind, Sandbox

async def watch(process):
    await asyncio.Event().wait()

toolbox, served, uid, script = sys.argv[-4:]
bounds = Bounds(memory=2**30, processes=50)
binds = [Bind(served, "/run/bindery")]
sandbox = Sandbox("name", binds, Site(toolbox), bounds, scratch=2**20, workdir="/")
privileges.drop(int(uid))
asyncio.run(program.run(sandbox, ["sh", "-c", script], sys.stdout.buffer.write, watch))
"""
"""Program that starts a sandbox as a keeper with the portal's environment would."""


@pytest.fixture(autouse=True)
def secret(monkeypatch) -> None:
    monkeypatch.setenv("PORTAL_ADMIN_PASSWORD", SECRET)


def saw_everything(text: str) -> bool:
    """Return whether the environments of both the first process and the one that looks were
    read.
    """
    return "/proc/1\n" in text and "HOME=/home/jovyan\n" in text


def test_a_build_cannot_read_the_portals_environment(backend, order) -> None:
    spec = order({"postBuild": f"#!/bin/sh\n{READ}\n"})
    backend.ensure_build(spec)
    finished(backend, spec)
    text = log(backend, spec.id)
    assert saw_everything(text)
    assert SECRET not in text


def test_a_requirements_file_cannot_print_the_portals_environment(backend, order) -> None:
    spec = order({"requirements.txt": "-r /proc/1/environ\n"})
    backend.ensure_build(spec)
    assert finished(backend, spec).code == "build.requirements"
    assert SECRET not in log(backend, spec.id)


def test_a_notebook_cannot_read_the_portals_environment(inside: Inside) -> None:
    text = inside.output(f"import subprocess; subprocess.run(['sh', '-c', {READ!r}])")
    assert saw_everything(text)
    assert SECRET not in text


@pytest.mark.parametrize("forked", [True, False])
def test_keepers_and_the_fork_server_do_not_have_the_secret(
    request, inside: Inside, forked
) -> None:
    pids = [request.getfixturevalue("server").pid] if forked else []
    wanted = inside.start("")
    settled(inside.backend, wanted)
    pids.append(status.read(inside.backend.folders.keeper("server", wanted.id)).pid)
    for pid in pids:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        assert b"PATH=" in environment
        assert SECRET.encode() not in environment
    removed(inside.backend, wanted.id)


def test_a_sandbox_does_not_inherit_its_keepers_environment(backend) -> None:
    (toolbox,) = backend.folders.toolboxes.glob("[!.]*")
    uid = os.geteuid() or 65_533
    served = owners.make_folder(backend.folders.root / "served", uid, 0o700)
    words = [sys.executable, "-I", "-S", "-c", RUN_WITH_SECRET]
    words += [*SEARCH_PATH, str(toolbox), str(served)]
    with socket.socket(socket.AF_UNIX) as way_out:
        way_out.bind(str(served / "net"))
        os.chown(served / "net", uid, uid)
        way_out.listen()
        done = subprocess.run([*words, str(uid), READ], capture_output=True)
    remove(served)
    text = done.stdout.decode()
    assert saw_everything(text), done
    assert SECRET not in text


@pytest.mark.long
@pytest.mark.slow("all of the above once more, by a portal of an ordinary user", seconds=600)
def test_these_tests_pass_as_an_ordinary_user() -> None:
    if os.geteuid():
        return  # it has held just now
    own = scratch.folder()
    os.chown(own, ORDINARY, ORDINARY)
    words = ["setpriv", f"--reuid={ORDINARY}", f"--regid={ORDINARY}", "--clear-groups", "--"]
    words += [sys.executable, "-m", "pytest", "-n", "0", "-m", "not long", "-p", "no:cacheprovider"]
    variables = {"PORTAL_DATA": str(own), "HOME": str(own), "TMPDIR": str(own)}
    done = subprocess.run(
        [*words, __file__], env={**os.environ, **variables}, capture_output=True, text=True
    )
    remove(own)
    assert done.returncode == 0, done.stdout[-3000:]
