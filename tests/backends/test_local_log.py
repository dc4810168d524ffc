"""The log file of a build and how it is read: whole lines, phases, limits."""

from __future__ import annotations

from pathlib import Path

from sessions.backends import LOG_TRUNCATED, LogLines
from sessions.backends.local.keeper.log import Log
from sessions.backends.local.reports import read_log_lines


def pieces(folder: Path) -> list[tuple[str, str]]:
    found, position = [], ""
    while read := read_log_lines(folder, position):
        found.append((read.phase, read.text))
        position = read.position
    return found


def test_lines_carry_the_phase_in_which_they_were_written(tmp_path: Path):
    log = Log(tmp_path, 10_000)
    log.phase("fetching")
    log.write_output(b"one\ntw")
    log.phase("building")
    log.phase("pushing")
    log.write_output(b"three\n")
    assert pieces(tmp_path) == [("fetching", "one\ntw\n"), ("pushing", "three\n")]


def test_a_partial_line_is_not_read(tmp_path: Path):
    (tmp_path / "log").write_bytes(b"\x1efetching\nwhole\nhal")
    assert read_log_lines(tmp_path, "") == LogLines("fetching", "whole\n", "16:fetching")
    assert read_log_lines(tmp_path, "16:fetching") is None
    (tmp_path / "log").write_bytes(b"\x1efetching\nwhole\nhalf\n")
    assert read_log_lines(tmp_path, "16:fetching") == LogLines("fetching", "half\n", "21:fetching")


def test_a_programs_output_cannot_start_a_phase(tmp_path: Path):
    log = Log(tmp_path, 10_000)
    log.phase("fetching")
    log.write_output(b"\x1eready\nline\n")
    assert pieces(tmp_path) == [("fetching", "ready\nline\n")]


def test_a_long_log_is_truncated_with_one_notice(tmp_path: Path):
    log = Log(tmp_path, 100)
    log.phase("building")
    log.write_output(b"0123456789\n" * 20)
    log.write_output(b"never seen\n")
    log.write_line("the portal's own")
    (found,) = pieces(tmp_path)
    *lines, cut, own = found[1].splitlines()
    assert lines == ["0123456789"] * 9
    assert cut == LOG_TRUNCATED
    assert own == "the portal's own"


def test_a_restarted_build_appends_to_the_log(tmp_path: Path):
    for words in (b"first\nlost", b"second\n"):
        log = Log(tmp_path, 1000)
        log.phase("fetching")
        log.write_output(words)
    assert pieces(tmp_path) == [("fetching", "first\n"), ("fetching", "second\n")]


def test_a_piece_is_never_larger_than_16_kb(tmp_path: Path):
    log = Log(tmp_path, 10_000_000)
    log.phase("building")
    log.write_output(("\u20ac" * 3999 + "\n").encode() * 50)
    found = pieces(tmp_path)
    assert max(len(text.encode()) for _phase, text in found) <= 16 * 1024
    assert "".join(text for _phase, text in found) == ("\u20ac" * 3999 + "\n") * 50
