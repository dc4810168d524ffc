"""Builds and keepers on a full disk: what they still write, and when."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

import psycopg
import pytest
from django.db import OperationalError

from sessions import outages
from sessions.backends.local.keeper import status
from sessions.backends.local.keeper.home import prepare_home
from sessions.backends.local.keeper.jobs import Bounds, ServerJob, Site
from sessions.backends.local.keeper.log import FILE, Log
from sessions.backends.local.keeper.status import JobFailed
from sessions.errors import TemporaryError
from tests.tightdisk import tight_disk


@pytest.fixture
def log(tmp_path: Path) -> Log:
    """A log on a full disk: the system's own ``/dev/full``."""
    (tmp_path / FILE).symlink_to("/dev/full")
    return Log(tmp_path, 10_000_000)


def room(log: Log, folder: Path) -> bytes:
    """Make room for the log and return what it then writes."""
    there = os.open(folder / "roomy", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(there, log._file)
    os.close(there)
    assert log.flush()
    return (folder / "roomy").read_bytes()


def test_log_lines_are_held_back_until_the_disk_has_room(log: Log, tmp_path: Path):
    log.phase("building")
    log.write_output(b"one\ntw")
    log.write_output(b"o\n")
    log.write_line("three")
    assert not log.flush()
    assert room(log, tmp_path) == b"\x1ebuilding\none\ntwo\nthree\n"
    assert log.flush()
    log.write_line("four")
    assert (tmp_path / "roomy").read_bytes().endswith(b"three\nfour\n")


def test_held_back_lines_are_limited_and_a_gap_is_reported_once(log: Log, tmp_path: Path):
    for number in range(3000):
        log.write_output(b"%04d" % number + b"x" * 995 + b"\n")
    *lines, gap = room(log, tmp_path).decode().splitlines()
    assert [int(line[:4]) for line in lines] == list(range(len(lines)))
    assert "the disk was full" in gap


def test_a_status_stays_until_the_next_is_fully_written(tmp_path: Path):
    (tmp_path / "disk").mkdir()
    with tight_disk(tmp_path / "disk", 1) as disk:
        status.write(disk.seen, status.Status(pid=7))
        disk.fill()
        assert not status.try_write(
            disk.seen, status.Status(state=status.ENDED, message="x" * 5000)
        )
        assert status.read(disk.seen) == status.Status(pid=7)
        assert sorted(os.listdir(disk.seen)) == [".filler", status.FILE]
        disk.make_room()
        assert status.try_write(disk.seen, status.Status(state=status.ENDED))
        assert status.read(disk.seen).state == status.ENDED


@pytest.mark.parametrize("text", ["", "\0\0", "[]", "{"])
def test_a_status_destroyed_by_a_power_cut_reads_as_the_default(tmp_path: Path, text: str):
    (tmp_path / status.FILE).write_text(text)
    assert status.read(tmp_path) == status.Status()


def test_a_status_with_unknown_fields_is_read(tmp_path: Path):
    (tmp_path / status.FILE).write_text('{"state": "ready", "of_tomorrow": 1}')
    assert status.read(tmp_path).state == status.READY


def test_a_full_disk_is_recognized_in_errors_of_every_source(tmp_path: Path):
    assert outages.is_disk_full_error(OSError(errno.ENOSPC, "No space left on device"))
    assert outages.is_disk_full_error(psycopg.errors.DiskFull("could not extend file"))
    with sqlite3.connect(tmp_path / "small.sqlite3") as small:
        small.execute("CREATE TABLE kept (text)")
        small.execute("PRAGMA max_page_count = 10")
        with pytest.raises(sqlite3.OperationalError) as full:
            small.execute("INSERT INTO kept VALUES (?)", ["x" * 100_000])
    small.close()
    assert outages.is_disk_full_error(full.value)
    wrapped = OperationalError("database or disk is full")
    wrapped.__cause__ = full.value
    assert outages.is_disk_full_error(wrapped)
    assert not outages.is_disk_full_error(OperationalError("database is locked"))
    assert not outages.is_disk_full_error(PermissionError(errno.EACCES, "no"))


def test_a_full_disk_raises_a_temporary_error():
    with pytest.raises(TemporaryError) as refused, outages.retry_on_disk_error():
        Path("/dev/full").write_text("x")
    assert refused.value.code == "disk.full"
    with pytest.raises(IsADirectoryError), outages.retry_on_disk_error():
        Path("/").write_text("x")


def test_a_partial_copy_of_the_repository_is_not_kept(tmp_path: Path):
    (tmp_path / "built" / "home").mkdir(parents=True)
    (tmp_path / "built" / "home" / "large").write_bytes(b"x" * 3_000_000)
    (tmp_path / "disk").mkdir()
    with tight_disk(tmp_path / "disk", 2) as disk:
        with pytest.raises(JobFailed) as full:
            prepare_home(job(environment=tmp_path / "built", project=disk.seen))
        assert full.value.code == "spawn.out-of-space"
        assert list((disk.seen / "home").iterdir()) == []
        assert disk.free() > 1_900_000


def job(environment: Path, project: Path) -> ServerJob:
    return ServerJob(
        name="ada-large",
        owner="ada",
        environment=str(environment),
        project=str(project),
        volume=str(project),
        commit="0" * 40,
        url="https://example.org/ada/large.git",
        token="",
        cpus=1,
        bounds=Bounds(10**9, 64),
        site=Site(""),
        trusted=[],
    )
