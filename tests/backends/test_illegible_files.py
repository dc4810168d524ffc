"""Files of keepers that hold nonsense end their own run, and hide no other."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.backends.local import LocalBackend, reports
from sessions.backends.local.keeper import log, status
from sessions.backends.local.keeper.log import MAX_LINE_LENGTH, Log
from tests.strategies import ANYTHING

CONTENT = st.binary(max_size=300) | ANYTHING.map(
    lambda value: json.dumps(value).encode("utf-8", "replace")
)
DEEP = b"[" * 100_000


@pytest.fixture
def run(settings, tmp_path: Path) -> Path:
    settings.PORTAL_DATA = tmp_path
    folder = tmp_path / "run"
    for name in ("build-1", "build-2", "server-3"):
        (folder / name).mkdir(parents=True)
        status.write(folder / name, status.Status())
    status.write(folder / "build-2", status.Status(state=status.ENDED, pack="Python"))
    return folder


@pytest.mark.parametrize("content", [DEEP, b"", b"\0" * 50, b'{"files": 7}', b'{"pid": "x"}'])
@pytest.mark.parametrize("file", ["status.json", "job.json", "log"])
def test_illegible_file_hides_no_other_run(content, file, run: Path):
    for name in ("build-1", "server-3"):
        (run / name / file).write_bytes(content)
    backend = LocalBackend()
    first, second = sorted(backend.builds(), key=lambda report: report.id)
    assert (first.finished, first.code) == (True, "build.lost")
    assert (second.finished, second.code, second.buildpack) == (True, "", "Python")
    assert [report.state for report in backend.servers()] == ["gone"]


def _sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 2**40)


IN_ITS_PLACE: dict[str, Callable[[Path], None]] = {
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a link to an endless file": lambda path: path.symlink_to("/dev/zero"),
    "a huge file": _sparse,
}


@pytest.mark.parametrize("make", IN_ITS_PLACE)
@pytest.mark.parametrize("file", ["status.json", "job.json", "log", "lock"])
def test_anything_in_the_place_of_a_keepers_file_hides_no_other_run(file, make, run: Path):
    for name in ("build-1", "server-3"):
        (run / name / file).unlink(missing_ok=True)
        IN_ITS_PLACE[make](run / name / file)
    backend = LocalBackend()
    assert {report.id: report.finished for report in backend.builds()} == {1: True, 2: True}
    assert [report.state for report in backend.servers()] == ["gone"]
    backend.read_log(1, "")
    backend.why_slow(3, 5)
    backend.cancel_build(1)
    backend.forget_server(3)
    assert backend.servers() == []


def test_what_is_no_folder_is_not_taken_for_a_keepers(run: Path):
    (run / "server-7").write_text("x")
    os.mkfifo(run / "build-8")
    (run / "server-9").symlink_to("/etc")
    (run / f"server-{'9' * 30}").mkdir()
    backend = LocalBackend()
    assert [report.id for report in backend.servers()] == [3]
    assert sorted(report.id for report in backend.builds()) == [1, 2]
    assert None in islice(backend.changes(), 4)


def test_a_keeper_that_never_began_is_told_however_the_clock_is_set(run: Path):
    (run / "server-3" / "status.json").unlink()
    assert LocalBackend().servers() == []  # it may be starting
    tomorrow = time.time() + 86_400
    os.utime(run / "server-3", (tomorrow, tomorrow))
    assert [report.state for report in LocalBackend().servers()] == ["gone"]


@hypothesis.settings(
    max_examples=100, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
@given(st.sampled_from(["status.json", "job.json", "log"]), CONTENT)
def test_any_content_of_a_keepers_files_can_be_reported(run: Path, file, content):
    (run / "build-1" / "log").unlink(missing_ok=True)
    for name in ("build-1", "server-3"):
        (run / name / file).write_bytes(content)
    backend = LocalBackend()
    assert len(backend.builds()) == 2
    assert len(backend.servers()) == 1
    position = ""
    for _piece in range(1000):
        piece = backend.read_log(1, position)
        if piece is None:
            break
        assert piece.position != position
        (piece.text + piece.phase + piece.position).encode()
        position = piece.position
    else:
        raise AssertionError("the log never ends")


def test_longest_line_of_the_widest_letters_can_be_read(tmp_path: Path):
    written = Log(tmp_path, 10_000_000)
    written.write_output("😀".encode() * (MAX_LINE_LENGTH + 10) + b"\nthe next line\n")
    piece = reports.read_log_lines(tmp_path, "")
    assert piece
    assert piece.text.endswith("the next line\n")
    assert (tmp_path / log.FILE).stat().st_size > 16_000
