"""The commands of the README: the portal starts, says where it is, keeps itself up and ends."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FIRST_START = 240.0  # the back end fetches its tools from the package index
LATER_START = 10.0

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]


def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up, "it did not happen in time"
        time.sleep(0.1)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


class Portal:
    """A whole portal: `manage.py up` in a process of its own."""

    def __init__(self, data: Path, port: int) -> None:
        self.port = port
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PORTAL_", "DJANGO_", "PYTEST_", "DATABASE_URL", "REDIS_URL"))
        }
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "manage.py"), "up"],
            env={**kept, "PORTAL_DATA": str(data), "PORTAL_PORT": str(port)},
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.said = ""
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout
        with self.process.stdout as lines:
            for line in lines:
                self.said += line

    def wait_until_ready(self, seconds: float) -> None:
        until(lambda: "Ctrl-C" in self.said or self.process.poll() is not None, seconds)
        assert "Bindery is ready" in self.said, self.said

    def health(self) -> int:
        return self.get("/health")[0]

    def get(self, path: str) -> tuple[int, bytes]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def part(self, word: str) -> int:
        """The id of the child whose command has ``word`` in it; 0 while there is none."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        for child in children.split():
            if word in Path(f"/proc/{child}/cmdline").read_text():
                return int(child)
        return 0

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)


def group(leader: int) -> list[int]:
    """Everyone alive in the process group of ``leader``."""
    members = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has just ended
            state, _parent, pgid = path.read_text().rpartition(")")[2].split()[:3]
            if int(pgid) == leader and state != "Z":
                members.append(int(path.parent.name))
    return members


@pytest.fixture(scope="module")
def data() -> Iterator[Path]:
    """A short path that the notebooks' user may pass through, unlike pytest's own folders."""
    with tempfile.TemporaryDirectory(prefix="bindery-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


@pytest.fixture(scope="module")
def portal(data: Path) -> Iterator[Portal]:
    running = Portal(data, free_port())
    try:
        running.wait_until_ready(FIRST_START)
        yield running
    finally:
        running.process.kill()
        running.process.wait()


def test_the_first_start_ends_with_the_address_the_account_and_the_password(portal, data):
    password = (data / "admin-password").read_text().strip()
    assert f"Bindery is ready at http://localhost:{portal.port}\n" in portal.said
    assert "account:  admin\n" in portal.said
    assert f"password: {password} " in portal.said
    assert "Traceback" not in portal.said


def test_nobody_else_on_the_machine_reads_the_database(portal, data):
    private = [path for path in data.iterdir() if path.name.startswith(("db.", "secret", "admin"))]
    assert {"db.sqlite3", "secret-key", "admin-password"} <= {path.name for path in private}
    assert [path.name for path in private if path.stat().st_mode & 0o077] == []


def test_health_answers_once_the_portal_is_ready(portal):
    status, body = portal.get("/health")
    assert status == 200
    assert json.loads(body)["status"] == "ok"


def test_git_finds_the_examples_on_the_portal(portal):
    address = f"http://localhost:{portal.port}/examples/hello.git"
    listing = subprocess.run(["git", "ls-remote", address], capture_output=True, text=True)
    assert re.search(r"\trefs/heads/main$", listing.stdout, re.MULTILINE)


def test_a_second_portal_on_the_same_folder_is_told_so(portal, data):
    second = Portal(data, free_port())
    assert second.process.wait(30) == 1
    until(lambda: "already" in second.said)
    assert "Traceback" not in second.said


def test_a_port_that_is_taken_is_a_sentence_and_not_a_traceback(portal, tmp_path):
    second = Portal(tmp_path, portal.port)
    assert second.process.wait(30) == 1
    until(lambda: f"port {portal.port}" in second.said)
    assert "Traceback" not in second.said


@pytest.mark.parametrize("word", ["uvicorn", "qcluster", "watch"])
def test_a_killed_part_comes_back_and_leaves_nothing_behind(portal, word):
    until(lambda: portal.part(word))
    first = portal.part(word)
    os.kill(first, signal.SIGKILL)
    until(lambda: portal.part(word) not in {0, first})
    assert group(first) == []
    until(lambda: portal.health() == 200)


def test_another_start_is_quick_and_says_where_the_password_stands(data, portal):
    assert portal.end() == 0
    started = time.monotonic()
    second = Portal(data, portal.port)
    try:
        second.wait_until_ready(LATER_START)
        assert time.monotonic() - started < LATER_START
        assert f"password: the one in {data / 'admin-password'}\n" in second.said
        parts = [second.part(word) for word in ("uvicorn", "qcluster", "watch")]
        assert second.end() == 0
        assert [group(part) for part in parts] == [[], [], []]
    finally:
        second.process.kill()


def test_the_readme_names_commands_that_there_are():
    commands = re.findall(r"^make ([a-z-]+)", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert {"run", "test"} <= set(commands)
    for command in commands:
        subprocess.run(["make", "--dry-run", command], cwd=ROOT, check=True, capture_output=True)
