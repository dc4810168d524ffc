"""Programs run until they end or are killed; their output is passed on."""

from __future__ import annotations

import io
import time

import pytest
from bindery_builder import programs
from bindery_builder.output import Output


@pytest.fixture
def log() -> io.BytesIO:
    return io.BytesIO()


def test_stdout_and_stderr_are_passed_on_in_order(log):
    seen: list[str] = []
    words = ["sh", "-c", "echo one; echo two >&2; printf three; exit 7"]
    assert programs.run(words, Output(log, 1000), on_line=seen.append) == 7
    assert log.getvalue() == b"1 one\n2 two\n3 three\n"
    assert seen == ["one", "two", "three"]


def test_a_program_gets_its_working_folder_and_environment(log, tmp_path):
    words = ["sh", "-c", "pwd; echo $WORD; cat"]
    assert programs.run(words, Output(log, 1000), cwd=tmp_path, variables={"WORD": "yes"}) == 0
    assert log.getvalue().decode() == f"1 {tmp_path}\n2 yes\n"


def test_a_program_that_times_out_is_killed_with_its_children(log):
    begun = time.monotonic()
    with pytest.raises(TimeoutError):
        programs.run(["sh", "-c", "sleep 50 & sleep 50"], Output(log, 1000), seconds=0.3)
    assert time.monotonic() - begun < 10


def test_a_killed_program_is_not_a_timeout(log):
    assert programs.run(["sh", "-c", "kill -9 $$"], Output(log, 1000), seconds=50) == -9
