"""Lines of a program's output, cleaned up for people to read."""

from __future__ import annotations

import pytest

from sessions.repofiles.lines import CUT_MARK, LineSplitter, clean

LIMIT = 3000


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"plain", "plain"),
        (b"windows\r", "windows"),
        (b" 10 %\r 50 %\r100 %", "100 %"),
        (b" 10 %\r 50 %\r", " 50 %"),
        (b"\x1b[1;31mred\x1b[0m and \x1b[2Kplain", "red and plain"),
        (b"\x1b]0;a title\x07text", "text"),
        (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        (b"nul\x00 bell\x07 separator\x1e", "nul bell separator"),
        (b"tab\tstays", "tab\tstays"),
        ("p\u0159\u00edli\u0161".encode(), "p\u0159\u00edli\u0161"),
        (b"broken \xff\xfe end", "broken \ufffd\ufffd end"),
        ("next\u2028line\x85".encode(), "nextline"),
        (b"", ""),
    ],
)
def test_control_characters_are_removed_from_a_line(raw: bytes, shown: str):
    assert clean(raw, LIMIT) == shown


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_chunks_of_any_size_yield_the_same_lines(size: int):
    raw = "one\ntwo \u010d\u010d\r\n\n10 %\r20 %\nlast".encode()
    lines = LineSplitter(LIMIT)
    pieces = [raw[start : start + size] for start in range(0, len(raw), size)]
    found = [line for piece in pieces for line in lines.feed(piece)]
    assert [*found, *lines.end()] == ["one", "two \u010d\u010d", "", "20 %", "last"]
    assert lines.end() == []


@pytest.mark.parametrize("letter", ["x", "\u20ac", "\U0001f600"])
def test_a_long_line_is_cut_and_marked(letter: str):
    assert clean((letter * LIMIT).encode(), LIMIT) == letter * LIMIT
    assert clean((letter * (LIMIT + 1)).encode(), LIMIT) == letter * LIMIT + CUT_MARK


def test_an_endless_line_is_not_kept_in_memory():
    lines = LineSplitter(LIMIT)
    for _ in range(300):
        assert lines.feed(b"x" * 65_536) == []
    assert len(lines._rest) < 100_000
    assert lines.feed(b"\nnext\n") == ["x" * LIMIT + CUT_MARK, "next"]


def test_an_endless_progress_bar_yields_only_its_last_state():
    lines = LineSplitter(LIMIT)
    for number in range(20_000):
        lines.feed(b"%d of many, and more\r" % number)
    assert lines.feed(b"done\n") == ["done"]
