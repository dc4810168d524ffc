"""The commands of the README: the portal starts, says where it is, keeps itself running and
ends.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sessions.backends.local.keeper.files import remove
from tests import scratch
from tests.stack import PROJECT, Stack, eventually

pytestmark = [
    pytest.mark.stack,
    pytest.mark.xdist_group("commands"),
    pytest.mark.slow("the portal is started and ended again and again", seconds=180),
]


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """A portal for which nobody set a password."""
    running = Stack(PORTAL_ADMIN_PASSWORD="")
    try:
        running.start()
        yield running
    finally:
        running.close()


def said(stack: Stack) -> str:
    """Return everything on the screen, once the portal has said that it is ready."""
    eventually(lambda: "Ctrl-C" in stack.log.read_text(), what="the announcement")
    return stack.log.read_text()


def refused(stack: Stack, **environment: str) -> str:
    """Return what a start prints that fails at once."""
    done = subprocess.run(
        [sys.executable, "manage.py", "up"],
        cwd=PROJECT,
        env={**stack.environment, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def part(stack: Stack, name: str) -> int:
    """Return the pid of web, worker or watch, waiting until it exists."""
    return eventually(lambda: stack.part(name), what=name)


def group(leader: int) -> list[int]:
    """Return every live process in the process group of ``leader``."""
    members = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            state, _parent, pgid = path.read_text().rpartition(")")[2].split()[:3]
            if int(pgid) == leader and state != "Z":
                members.append(int(path.parent.name))
    return members


def test_the_first_start_prints_the_address_the_account_and_the_password(stack):
    password = (stack.data / "admin-password").read_text().strip()
    assert f"Bindery is ready at {stack.url}\n" in said(stack)
    assert "account:  admin\n" in said(stack)
    assert f"password: {password} " in said(stack)
    assert "Traceback" not in said(stack)


def test_no_other_user_of_the_machine_can_read_the_secrets(stack):
    private = [path for path in stack.data.iterdir() if path.name.startswith(("db.", "secret"))]
    private.append(stack.data / "admin-password")
    assert {"db.sqlite3", "secret-key"} <= {path.name for path in private}
    assert [path.name for path in private if path.stat().st_mode & 0o077] == []


def test_git_can_list_the_examples_on_the_portal(stack):
    address = f"{stack.url}/examples/hello.git"
    listing = subprocess.run(["git", "ls-remote", address], capture_output=True, text=True)
    assert re.search(r"\trefs/heads/main$", listing.stdout, re.MULTILINE)


def test_a_second_portal_on_the_same_folder_is_refused(stack):
    assert str(stack.data) in refused(stack, PORTAL_PORT="1")


def test_an_occupied_port_is_reported_without_a_traceback(stack, tmp_path):
    assert f"port {stack.port}" in refused(stack, PORTAL_DATA=str(tmp_path))


def test_a_start_without_a_sandbox_says_why_before_it_says_where_the_portal_is(stack):
    programs = scratch.folder()
    refusal = "bwrap: setting up uid map: Permission denied"
    (programs / "bwrap").write_text(f"#!/bin/sh\necho '{refusal}' >&2; exit 1\n")
    (programs / "bwrap").chmod(0o755)
    impaired = Stack(PATH=f"{programs}:{os.environ['PATH']}")
    try:
        impaired.warm_up(stack.data)
        impaired.start(lambda: "Ctrl-C" in impaired.log.read_text())
        before, _, after = impaired.log.read_text().partition("Bindery runs at")
        assert refusal in before
        assert "Nothing starts without a sandbox." in before
        assert after.startswith(f" {impaired.url}, but with the problems above\n")
        assert "is ready" not in impaired.log.read_text()
    finally:
        impaired.close()
        remove(programs)


@pytest.mark.parametrize("name", ["web", "worker", "watch", "keepers"])
def test_a_killed_part_is_restarted_and_leaves_no_processes(stack, name):
    first = part(stack, name)
    stack.kill(name)
    assert part(stack, name) != first
    assert group(first) == []
    eventually(stack.is_healthy, within=120)


def test_a_later_start_says_where_to_find_the_password(stack):
    parts = [part(stack, name) for name in ("web", "worker", "watch", "keepers")]
    stack.stop()
    assert [group(leader) for leader in parts] == [[], [], [], []]
    stack.log.write_text("")
    stack.start()
    assert f"password: the one in {stack.data / 'admin-password'}\n" in said(stack)


def test_the_readmes_commands_exist():
    readme = (PROJECT / "README.md").read_text()
    commands = re.findall(r"^make ([a-z-]+)", readme, re.MULTILINE)
    assert {"run", "test"} <= set(commands)
    for command in commands:
        subprocess.run(["make", "--dry-run", command], cwd=PROJECT, check=True, capture_output=True)
