"""The log of a build's container: numbered lines that a person can read."""

from __future__ import annotations

import io

import pytest
from bindery_builder.output import MAX_LINE_LENGTH, Output

from sessions.backends import LOG_TRUNCATED
from sessions.repofiles.lines import CUT_MARK


@pytest.fixture
def written() -> io.BytesIO:
    return io.BytesIO()


def lines(written: io.BytesIO) -> list[str]:
    return written.getvalue().decode().splitlines()


def test_every_line_is_numbered(written):
    output = Output(written, 1000)
    output.write_heading("Fetching")
    output.feed(b"one\ntw")
    output.feed(b"o\n\nthr")
    output.write_line("ours")
    assert lines(written) == ["1 ── Fetching", "2 one", "3 two", "4 ", "5 thr", "6 ours"]


def test_a_message_of_ours_is_one_clean_line(written):
    Output(written, 1000).write_line("not\nfound: \x1b[31mred")
    assert lines(written) == ["1 not found: red"]


def test_output_over_the_limit_ends_with_one_notice(written):
    output = Output(written, 20)
    output.feed(b"12345\n12345\n12345\n12345\n")
    output.write_heading("Later")
    assert lines(written) == ["1 12345", "2 12345", f"3 {LOG_TRUNCATED}"]
    assert output.last[-1] == "── Later"


def test_an_endless_line_is_cut_and_not_kept_in_memory(written):
    output = Output(written, 10_000)
    for _ in range(100):
        output.feed(b"x" * 65_536)
    output.end_line()
    assert lines(written) == [f"1 {'x' * MAX_LINE_LENGTH}{CUT_MARK}"]
