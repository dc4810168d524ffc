"""Full or read-only disks under keepers and the back end: reported in words, and written later."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from sessions import outages
from sessions.backends.local import health, keeper_processes, reports
from sessions.backends.local.folders import Folders
from sessions.backends.local.keeper import bounds, files, jobs, status
from sessions.backends.local.keeper.log import FILE, Log
from sessions.errors import TemporaryError
from tests.tightdisk import TightDisk, tight_disk


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[TightDisk]:
    (tmp_path / "disk").mkdir()
    with tight_disk(tmp_path / "disk", 40) as disk:
        yield disk


@pytest.mark.parametrize(
    ("number", "why"),
    [
        (errno.ENOSPC, "out-of-space"),
        (errno.EDQUOT, "out-of-space"),
        (errno.EROFS, "disk-read-only"),
        (errno.ESTALE, "disk-away"),
        (errno.EIO, "disk-away"),
        (errno.EACCES, ""),
        (None, ""),
    ],
)
def test_each_disk_error_has_a_code_and_a_message(number: int | None, why: str):
    assert files.error_reason(number) == why
    if why and number:
        assert files.errno_in(f"cp: x: {os.strerror(number)}\n") == number
        for kind in ("build", "spawn"):
            ended = status.JobFailed.from_disk(kind, why)
            assert (ended.code, ended.message.endswith(".")) == (f"{kind}.{why}", True)


def test_the_reason_why_a_disk_refuses_writes_is_detected(disk: TightDisk):
    assert bounds.disk_error(str(disk.seen)) == ""
    disk.let_write(write=False)
    assert bounds.disk_error(str(disk.seen)) == files.READ_ONLY
    disk.let_write(write=True)
    disk.fill()
    assert bounds.disk_error(str(disk.seen)) == files.FULL


def test_a_read_only_disk_is_reported_to_staff(tmp_path: Path, disk: TightDisk):
    folders = Folders(tmp_path)
    folders.projects.symlink_to(disk.seen)
    assert [each.id for each in health._wrong_disk(folders)] == []
    disk.let_write(write=False)
    (problem,) = health._wrong_disk(folders)
    assert problem.id == "local.disk-read-only" and str(folders.projects) in problem.message
    disk.let_write(write=True)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.EROFS, "disk.read-only"),
        (errno.ESTALE, "disk.away"),
        (errno.EPERM, "disk.refused"),
    ],
)
def test_a_disk_error_raises_a_temporary_error(number: int, code: str):
    with pytest.raises(TemporaryError) as refused, outages.retry_on_disk_error():
        raise OSError(number, os.strerror(number))
    assert refused.value.code == code


def test_status_and_files_survive_a_read_only_disk(disk: TightDisk):
    status.write(disk.seen, status.Status(pid=7))
    log = Log(disk.seen, 10_000)
    log.write_line("before")
    files.write_atomically(disk.seen / "kept", "old")
    os.close(log._file)
    disk.let_write(write=False)
    assert not status.try_write(disk.seen, status.Status(pid=8))
    with pytest.raises(OSError, match=os.strerror(errno.EROFS)):
        files.write_atomically(disk.seen / "kept", "new")
    assert (status.read(disk.seen).pid, (disk.seen / "kept").read_text()) == (7, "old")
    disk.let_write(write=True)
    assert status.try_write(disk.seen, status.Status(pid=8))
    assert sorted(os.listdir(disk.seen)) == ["kept", FILE, status.FILE]


def test_a_stop_request_on_a_read_only_disk_does_not_raise(disk: TightDisk):
    folder = disk.seen / "server-1"
    folder.mkdir()
    disk.let_write(write=False)
    keeper_processes.request_stop(folder, keeper_processes.CANCEL)
    disk.let_write(write=True)


def test_a_state_file_is_written_atomically_and_privately(tmp_path: Path):
    files.write_atomically(tmp_path / "state", "one", 0o600)
    files.write_atomically(tmp_path / "state", "two", 0o600)
    assert (tmp_path / "state").read_text() == "two"
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["state"]


def test_a_log_truncated_by_a_power_cut_resumes_with_whole_lines(tmp_path: Path):
    log = Log(tmp_path, 10_000)
    log.phase("building")
    log.write_line("one")
    log.write_line("two")
    piece = reports.read_log_lines(tmp_path, "")
    assert piece.text == "one\ntwo\n"
    os.truncate(tmp_path / FILE, (tmp_path / FILE).stat().st_size - 6)
    lost = reports.read_log_lines(tmp_path, piece.position)
    assert "power cut" in lost.text
    log = Log(tmp_path, 10_000)
    log.phase("fetching")
    log.write_line("three")
    rest = reports.read_log_lines(tmp_path, lost.position)
    assert (rest.phase, rest.text) in {("building", "\n"), ("fetching", "three\n")}
    while rest.text != "three\n":
        rest = reports.read_log_lines(tmp_path, rest.position)
    assert rest.phase == "fetching"


def test_nul_bytes_and_broken_utf8_in_a_log_are_read(tmp_path: Path):
    (tmp_path / FILE).write_bytes(b"\x1ebuilding\none\0\0\n\xc3\n")
    assert reports.read_log_lines(tmp_path, "").text == "one\n\N{REPLACEMENT CHARACTER}\n"


def test_a_job_file_is_readable_by_its_owner_only(tmp_path: Path):
    job = jobs.ServerJob(
        name="a", owner="ada", environment="/e", project="/p", volume="/v", commit="1" * 40,
        url="https://example.org/a", token="secret", cpus=1, bounds=jobs.Bounds(1, 1),
        site=jobs.Site(""), trusted=[],
    )  # fmt: skip
    jobs.write(tmp_path, job)
    jobs.write(tmp_path, job)
    assert jobs.read(tmp_path) == job
    assert (tmp_path / jobs.FILE).stat().st_mode & 0o777 == 0o600
