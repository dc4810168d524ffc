"""The portal's processes are kept running, and end when they are told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from portal.run import supervisor
from portal.run.supervisor import ManagedProcess

pytestmark = pytest.mark.servers

DEADLINE = 15.0


def until(condition: Callable[[], object]) -> None:
    """Wait for the condition; fail if it does not come true."""
    give_up = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < give_up, "it did not happen in time"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


class Notes:
    """Notes that a part's process and its children write about themselves."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def lines(self, word: str) -> list[str]:
        text = self.path.read_text() if self.path.exists() else ""
        return [line.split()[1] for line in text.splitlines() if line.startswith(word + " ")]

    def pids(self, word: str) -> list[int]:
        return [int(number) for number in self.lines(word)]


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    return Notes(tmp_path / "notes")


@pytest.fixture
def program(notes: Notes, tmp_path: Path) -> Callable[[str], list[str]]:
    """Return a function that makes the command of a Python program, which may call `note`."""

    def write(body: str) -> list[str]:
        head = f"""
            import os, signal, subprocess, sys, time
            def note(word, what):
                with open({str(notes.path)!r}, "a") as file:
                    file.write(f"{{word}} {{what}}\\n")
        """
        path = tmp_path / "program.py"
        path.write_text(textwrap.dedent(head) + textwrap.dedent(body))
        return [sys.executable, str(path)]

    return write


@pytest.fixture
def tended() -> Iterator[Callable[[ManagedProcess], ManagedProcess]]:
    """Return a function that registers parts, which are ended with the test."""
    parts: list[ManagedProcess] = []

    def keep(part: ManagedProcess) -> ManagedProcess:
        parts.append(part)
        return part

    yield keep
    for part in parts:
        part.wait(lambda: True)


def tend_until(part: ManagedProcess, condition: Callable[[], object]) -> None:
    def tended() -> object:
        part.tick()
        return condition()

    until(tended)


IDLE = """
    note("leader", os.getpid())
    time.sleep(600)
"""

WITH_CHILD = """
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    note("child", child.pid)
    note("leader", os.getpid())
    time.sleep(600)
"""

OBSERVES_SIGNALS = """
    def told(name):
        def handler(number, frame):
            note("told", name)
            sys.exit(0)
        return handler
    signal.signal(signal.SIGTERM, told("child"))
    if os.fork():
        signal.signal(signal.SIGTERM, told("leader"))
        note("leader", os.getpid())
    while True:  # a signal that comes just before a sleep does not end that
        time.sleep(0.1)
"""

STUBBORN = """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    note("leader", os.getpid())
    time.sleep(600)
"""


def test_process_that_dies_is_restarted(program, notes, tended):
    part = tended(ManagedProcess("part", program(IDLE)))
    tend_until(part, lambda: notes.pids("leader"))
    os.kill(notes.pids("leader")[0], signal.SIGKILL)
    tend_until(part, lambda: len(notes.pids("leader")) == 2)


def test_children_of_a_killed_process_end_before_it_restarts(program, notes, tended):
    part = tended(ManagedProcess("part", program(WITH_CHILD)))
    tend_until(part, lambda: notes.pids("leader"))
    os.kill(notes.pids("leader")[0], signal.SIGKILL)
    tend_until(part, lambda: len(notes.pids("leader")) == 2)
    first, second = notes.pids("child")
    assert not is_running(first)
    assert is_running(second)


def test_restarts_of_a_crashing_process_back_off(program, notes, tended, capfd):
    part = tended(ManagedProcess("part", program('note("leader", os.getpid()); sys.exit(3)')))
    tend_until(part, lambda: len(notes.pids("leader")) == 3)
    said = capfd.readouterr().out
    assert "part | ended (exit code 3) and restarts in 0.5 s" in said
    assert "restarts in 1 s" in said


def test_only_the_group_leader_is_terminated(program, notes, tended):
    part = tended(ManagedProcess("part", program(OBSERVES_SIGNALS)))
    tend_until(part, lambda: notes.pids("leader"))
    part.terminate()
    part.wait(lambda: False)
    assert notes.lines("told") == ["leader"]


def test_process_that_ignores_termination_is_killed(program, notes, tended):
    part = tended(ManagedProcess("part", program(STUBBORN)))
    tend_until(part, lambda: notes.pids("leader"))
    part.terminate()
    part.wait(lambda: True)
    assert not is_running(notes.pids("leader")[0])


def test_stalled_process_is_restarted(program, notes, tended, monkeypatch):
    monkeypatch.setattr(supervisor, "STABLE_AFTER", 0.1)
    monkeypatch.setattr(supervisor, "CHECK_INTERVAL", 0.1)
    part = tended(
        ManagedProcess("part", program(IDLE), is_stalled=lambda: len(notes.pids("leader")) == 1)
    )
    tend_until(part, lambda: len(notes.pids("leader")) == 2)
    assert not is_running(notes.pids("leader")[0])


def test_each_output_line_has_the_name_of_its_process(program, notes, tended, capfd):
    lines = 'print("one\\ntwo", flush=True); print("three", file=sys.stderr, flush=True)'
    part = tended(
        ManagedProcess("part", program(f'{lines}; note("leader", os.getpid()); time.sleep(600)'))
    )
    tend_until(part, lambda: notes.pids("leader"))
    said = ""

    def all_there() -> bool:
        nonlocal said
        said += capfd.readouterr().out
        return "three" in said

    until(all_there)
    assert said.splitlines() == ["  part | one", "  part | two", "  part | three"]


SUPERVISOR = """
    sys.path.insert(0, {root!r})
    from portal.run.supervisor import ManagedProcess, supervise
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # as on a screen, however the tests are run
    {before}
    supervise([ManagedProcess("part", [sys.executable, {inner!r}])], lambda: None)
    note("returned", os.getpid())
"""

INTERRUPTED = """
    left = list(range(20))
    def interrupt(*event):
        if left:
            left.pop()
            os.kill(os.getpid(), signal.SIGINT)
    def handle(number, handler, install=signal.signal):
        def wrapper(number, frame):
            before = sys.getprofile()
            sys.setprofile(interrupt)  # called at each call that the handler makes
            handler(number, frame)
            sys.setprofile(before)
        install(number, wrapper)
    signal.signal = handle
"""
"""Put before a supervisor: another signal arrives at every step of a signal's handler."""


@pytest.fixture
def supervising(
    program: Callable[[str], list[str]], tmp_path: Path
) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Return a function that starts a process which supervises one part with the given program.

    The code ``before`` runs in that process first.
    """
    processes: list[subprocess.Popen[bytes]] = []

    def start(body: str, before: str = "") -> subprocess.Popen[bytes]:
        inner = program(body)[1]
        inner = str(Path(inner).rename(tmp_path / "inner.py"))
        root = str(Path(__file__).resolve().parents[2])
        body = SUPERVISOR.format(root=root, inner=inner, before=before.strip())
        process = subprocess.Popen(program(body))
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_processes_and_then_the_supervisor(supervising, notes, number):
    process = supervising(WITH_CHILD)
    until(lambda: notes.pids("leader"))
    process.send_signal(number)
    assert process.wait(DEADLINE) == 0
    assert notes.lines("returned")
    assert not any(is_running(pid) for pid in notes.pids("leader") + notes.pids("child"))


def test_second_signal_kills_the_processes_at_once(supervising, notes):
    process = supervising(STUBBORN)
    until(lambda: notes.pids("leader"))
    for number in (signal.SIGTERM, signal.SIGINT):  # two of one kind might count as one
        process.send_signal(number)
    assert process.wait(DEADLINE) == 0
    assert not is_running(notes.pids("leader")[0])


def test_signals_that_interrupt_each_others_handlers_end_everything_too(supervising, notes):
    process = supervising(STUBBORN, before=INTERRUPTED)
    until(lambda: notes.pids("leader"))
    process.send_signal(signal.SIGTERM)
    assert process.wait(DEADLINE) == 0
    assert not is_running(notes.pids("leader")[0])


def test_processes_end_when_the_supervisor_is_killed(supervising, notes):
    process = supervising(IDLE)
    until(lambda: notes.pids("leader"))
    process.kill()
    until(lambda: not is_running(notes.pids("leader")[0]))
