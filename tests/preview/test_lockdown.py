"""The process that renders can do nothing else, knows nothing, and is ended in time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from sessions.preview import lockdown, run
from tests.pauses import looked

pytestmark = pytest.mark.servers

ATTEMPTS = """
import ctypes, json, os, resource, socket, subprocess, sys
sys.path.insert(0, sys.argv[1])
from sessions.preview import lockdown
outside = socket.socket()
pair, folder = socket.socketpair(), os.open("/", os.O_RDONLY)
limits = (ctypes.c_ulong * 2)(99, 99)
libc = ctypes.CDLL(None, use_errno=True)
attempts = {
    "read": lambda: open("/etc/passwd"),
    "read below": lambda: os.open("etc/passwd", os.O_RDONLY, dir_fd=folder),
    "write": lambda: os.open("/tmp/x", os.O_WRONLY | os.O_CREAT),
    "look": lambda: os.stat("/etc"),
    "list": lambda: os.listdir("/proc"),
    "remove": lambda: os.unlink("/tmp/none"),
    "connect": lambda: outside.connect(("127.0.0.1", 9)),
    "socket": lambda: socket.socket(),
    "local socket": lambda: socket.socket(socket.AF_UNIX),
    "pair": lambda: socket.socketpair(),
    "send": lambda: pair[0].send(b"x"),
    "fork": lambda: os.fork(),
    "exec": lambda: os.execv("/bin/true", ["true"]),
    "signal": lambda: os.kill(os.getppid(), 0),
    "raise limits": lambda: call(libc.setrlimit, resource.RLIMIT_CPU, limits),
    "memory file": lambda: os.memfd_create("x"),
    "ring": lambda: call(libc.syscall, 425, 1, 0),
    "other process": lambda: call(libc.ptrace, 16, os.getppid(), 0, 0),
}
def call(function, *words):
    if function(*words) < 0:
        raise OSError(ctypes.get_errno(), "")
lockdown.limit()
lockdown.lock()
found = {}
for name, attempt in attempts.items():
    try:
        attempt()
        found[name] = "done"
    except OSError as error:
        found[name] = error.errno
try:
    bytearray(330 * 2**20)
except MemoryError:
    found["much memory"] = 1
sys.stdout.write(json.dumps(found))
"""
SLOW = b"<div>" * 60_000
"""Takes all the time that there is."""


def test_a_locked_process_can_open_start_and_reach_nothing():
    command = [sys.executable, "-I", "-c", ATTEMPTS, str(Path(lockdown.__file__).parents[2])]
    answer = subprocess.run(command, capture_output=True, check=True, env={})
    found = json.loads(answer.stdout)
    assert len(found) == 19
    assert set(found.values()) == {1}  # EPERM, each


def test_the_process_starts_with_no_environment_and_locks_itself(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PORTAL_SECRET_KEY", "secret")
    with ThreadPoolExecutor(1) as threads:
        rendering = threads.submit(run.render, "README.md", SLOW)
        folder = looked(_find_process, 30) or Path("/none")
        try:
            assert (folder / "environ").read_bytes() == b""
            assert looked(lambda: _is_locked(folder), 30)
            assert len(list((folder / "fd").iterdir())) == 3
        finally:
            os.kill(int(folder.name), signal.SIGKILL)
        assert rendering.result().code == run.LIMITS_CODE


def test_a_process_that_takes_too_long_is_ended():
    assert run.render("README.md", b"# A", max_seconds=0.05).code == run.LIMITS_CODE


@pytest.mark.long
@pytest.mark.slow("computes for as long as it may", seconds=60)
def test_a_file_that_takes_too_much_to_compute_has_no_preview():
    assert run.render("README.md", SLOW).code == run.LIMITS_CODE


def _find_process() -> Path | None:
    with suppress(FileNotFoundError):  # a thread that has just ended
        for task in Path("/proc/self/task").iterdir():
            for pid in (task / "children").read_text().split():
                if b"sessions.preview.program" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    return Path("/proc", pid)
    return None


def _is_locked(folder: Path) -> bool:
    status = (folder / "status").read_text()
    return "Seccomp:\t2" in status and "NoNewPrivs:\t1" in status
