"""Keepers that are forked by the fork server are like all other keepers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sessions.backends.local import LocalBackend, keeper_processes, owners
from sessions.backends.local.keeper import status
from sessions.backends.local.keeper.jobs import Bounds, BuildJob, Site
from sessions.errors import InternalError
from tests.backends.inside import Inside
from tests.backends.waiting import removed, server_report, settled, until
from tests.processes import children, parent

SECRET = "no key at all, but secret: 0b8f1c2e"


@contextmanager
def forked_by(door: socket.socket) -> Iterator[subprocess.Popen[bytes]]:
    server = subprocess.Popen(
        keeper_processes.fork_server_command(door), pass_fds=[door.fileno()], start_new_session=True
    )
    try:
        yield server
    finally:
        server.kill()
        server.wait()


@pytest.fixture
def doors(monkeypatch) -> Iterator[tuple[socket.socket, socket.socket]]:
    keeper_processes.fork_server_client.cache_clear()
    with keeper_processes.fork_server_sockets() as (inner, outer):
        monkeypatch.setenv(keeper_processes.FORK_SERVER_VARIABLE, str(os.dup(outer.fileno())))
        yield inner, outer
        if mine := keeper_processes.fork_server_client():
            mine.close()
    keeper_processes.fork_server_client.cache_clear()


@pytest.fixture
def impatient(settings) -> None:
    settings.PORTAL_FORK_SECONDS = 0.5


@pytest.fixture
def server(doors) -> Iterator[subprocess.Popen[bytes]]:
    with forked_by(doors[0]) as running:
        yield running


def keeper(backend: LocalBackend, number: int) -> int:
    return status.read(backend.folders.keeper("server", number)).pid


def test_a_forked_keeper_has_no_privileges_and_no_sockets_of_the_portal(
    server, doors, inside: Inside
) -> None:
    wanted = inside.start("")
    assert settled(inside.backend, wanted).state == "ready"
    pid = keeper(inside.backend, wanted.id)
    words = Path(f"/proc/{pid}/cmdline").read_bytes()
    assert words == Path(f"/proc/{server.pid}/cmdline").read_bytes()
    is_alone_and_without_rights(pid, server.pid)
    holds_no_door(pid, doors)
    removed(inside.backend, wanted.id)
    assert server.poll() is None
    assert not children(server.pid)  # those that have ended are seen off


def is_alone_and_without_rights(pid: int, server: int) -> None:
    assert parent(pid) != server
    assert os.getsid(pid) != os.getsid(server)
    text = Path(f"/proc/{pid}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in text.splitlines())
    assert "0" not in fields["Uid"].split() + fields["Gid"].split()
    assert fields["NoNewPrivs"] == "1"
    assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == 0


def holds_no_door(pid: int, doors: tuple[socket.socket, ...]) -> None:
    """Assert that the process holds no socket to the fork server: whoever can use one becomes a
    process with every right.
    """
    shared = {os.fstat(door.fileno()).st_ino for door in doors}
    assert {each.stat().st_ino for each in Path(f"/proc/{pid}/fd").iterdir()}.isdisjoint(shared)


def test_a_forked_keeper_outlives_the_fork_server(server, inside: Inside) -> None:
    wanted = inside.start("")
    settled(inside.backend, wanted)
    server.kill()
    server.wait()
    assert server_report(inside.backend, wanted.id).state == "ready"
    removed(inside.backend, wanted.id)


def test_a_keeper_that_cannot_start_raises_the_reason(server, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "lock").symlink_to(tmp_path / "nowhere" / "lock")
    with pytest.raises(InternalError, match="FileNotFoundError"):
        keeper_processes.start(folder, owners.builder_uid(), job(tmp_path))
    assert server.poll() is None


def test_the_fork_server_does_not_keep_a_key_in_memory(server, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    code, said = keeper_processes.request_start(tmp_path / "run", os.geteuid(), SECRET) or (
        None,
        "",
    )
    assert (code, said) == (0, "")
    with open(f"/proc/{server.pid}/maps") as maps, open(f"/proc/{server.pid}/mem", "rb") as memory:
        for line in maps:
            begin, end = (int(each, 16) for each in line.split()[0].split("-"))
            if "r" in line.split()[1] and "[v" not in line:
                memory.seek(begin)
                assert SECRET.encode() not in memory.read(end - begin)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_keepers_start_directly_if_the_fork_server_does_not_answer(
    server, doors, inside: Inside, number, impatient
) -> None:
    os.kill(server.pid, number)
    wanted = inside.start("")
    assert settled(inside.backend, wanted).state == "ready"
    assert keeper_processes.is_frozen(doors[1])
    removed(inside.backend, wanted.id)


def test_a_new_fork_server_replaces_a_killed_one(server, doors, inside: Inside) -> None:
    server.kill()
    server.wait()
    with forked_by(doors[0]) as second:
        wanted = inside.start("")
        assert settled(inside.backend, wanted).state == "ready"
        words = Path(f"/proc/{keeper(inside.backend, wanted.id)}/cmdline").read_bytes()
        assert words == Path(f"/proc/{second.pid}/cmdline").read_bytes()
        removed(inside.backend, wanted.id)


def test_a_request_that_timed_out_starts_no_keeper_later(
    server, doors, impatient, tmp_path: Path
) -> None:
    """The portal has made another keeper instead, which may have ended by then: a late one would be
    a second run.
    """
    os.kill(server.pid, signal.SIGSTOP)
    (tmp_path / "run").mkdir()
    assert keeper_processes.request_start(tmp_path / "run", os.geteuid(), "") is None
    os.kill(server.pid, signal.SIGCONT)
    until(lambda: not keeper_processes.is_frozen(doors[1]), 10)
    time.sleep(0.3)
    assert not any((tmp_path / "run").iterdir())


def test_a_second_request_for_a_running_keeper_starts_none(server, inside: Inside) -> None:
    wanted = inside.start("")
    settled(inside.backend, wanted)
    folder = inside.backend.folders.keeper("server", wanted.id)
    first = keeper(inside.backend, wanted.id)
    assert keeper_processes.request_start(folder, os.geteuid(), "") == (0, "")
    assert keeper(inside.backend, wanted.id) == first
    assert status.is_locked(folder / "lock")
    removed(inside.backend, wanted.id)


def test_the_fork_server_survives_malformed_requests(server, doors, tmp_path: Path) -> None:
    for nonsense in (b"x", b"\xff\xff", b"-1 /nowhere"):
        doors[1].send(nonsense)
    (tmp_path / "run").mkdir()
    assert keeper_processes.request_start(tmp_path / "run", os.geteuid(), "") == (0, "")
    assert server.poll() is None


def test_the_fork_server_exits_when_its_socket_is_closed() -> None:
    with keeper_processes.fork_server_sockets() as (inner, outer), forked_by(inner) as server:
        outer.close()
        inner.close()
        assert server.wait(10) == 0


def job(folder: Path) -> BuildJob:
    return BuildJob(
        url="https://git.example.org/a/b",
        commit="0" * 40,
        ref="",
        environment=str(folder / "environment"),
        partial=str(folder / "partial"),
        cache=str(folder / "cache"),
        pythons={},
        repository_limit=1,
        bounds=Bounds(memory=1, processes=1),
        site=Site(""),
        fetch_trusted=[],
        trusted=[],
    )
