"""Positions in a build's output: each line is read once, however often and from wherever."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sessions.backends.kubernetes.output import (
    MAX_LINES_BYTES,
    LogBuffer,
    LogCursor,
    finished_stages,
    started_stages,
)
from tests.kubernetes.test_build_reports import DONE, RUNS, WAITS, ended, pod


def at(seconds: float, zone: str = "Z") -> str:
    whole, part = divmod(round(seconds * 1000), 1000)
    return f"2026-01-01T12:{whole // 60:02}:{whole % 60:02}.{part:03}000000{zone}"


def said(words: str, seconds: float = 0) -> bytes:
    return f"{at(seconds)} {words}".encode()


def test_an_empty_cursor_is_the_start_of_the_first_container():
    place = LogCursor.parse("")
    assert place == LogCursor() == LogCursor.parse(str(place))
    assert (place.container, place.since, place.is_last_stage) == ("fetch", "", False)


def test_numbered_lines_are_read_in_order_without_their_numbers():
    place, first = LogCursor().read_line(said("1 one", 1))
    place, second = place.read_line(said("2 two  words ", 2))
    assert (first, second) == (["one"], ["two  words "])
    assert place == LogCursor(0, 2, at(2))


def test_an_empty_line_is_kept():
    place, lines = LogCursor().read_line(said("1 "))
    assert (place.number, lines) == (1, [""])


def test_a_line_is_not_read_twice():
    place = LogCursor(2, 5, at(9))
    for number in (1, 4, 5):
        assert place.read_line(said(f"{number} again", 1)) == (place, [])


def test_a_gap_in_the_numbers_is_reported():
    place, lines = LogCursor(0, 3, at(1)).read_line(said("7 seven", 2))
    assert lines == ["… 3 lines are missing here …", "seven"]
    assert place.number == 7


def test_setting_the_clock_back_loses_no_numbered_line():
    place, lines = LogCursor(0, 3, at(50)).read_line(said("4 four", 10))
    assert (place, lines) == (LogCursor(0, 4, at(50)), ["four"])


def test_an_unnumbered_line_is_tracked_by_its_timestamp():
    place, lines = LogCursor(0, 3, at(1)).read_line(said("panic: no more", 2))
    assert (place, lines) == (LogCursor(0, 3, at(2)), ["panic: no more"])
    assert place.read_line(said("panic: no more", 2)) == (place, [])


@pytest.mark.parametrize("words", ["7", "", "x 1", "-1 x", "1.5 x", "٣ x", "9" * 5000 + " x"])
def test_a_malformed_line_number_is_part_of_the_text(words):
    place, lines = LogCursor(0, 3, at(1)).read_line(said(words, 2))
    assert (place.number, lines) == (3, [words])
    assert len(str(place)) <= 255


@pytest.mark.parametrize(
    "raw", [b"", b"unable to retrieve container logs for containerd://abc", b"2026 1 one"]
)
def test_a_line_without_a_timestamp_is_ignored(raw):
    assert LogCursor(0, 3, at(1)).read_line(raw) == (LogCursor(0, 3, at(1)), [])


def test_a_line_contains_no_nul_and_no_invalid_utf8():
    _place, lines = LogCursor().read_line(said("1 a\0b\r\n") + b"\xff")
    assert "\0" not in lines[0]
    _place, lines = LogCursor().read_line(said("1 ") + b"\xff\xfe")
    assert lines == ["\N{REPLACEMENT CHARACTER}" * 2]


@pytest.mark.parametrize(
    ("time", "since"),
    [
        ("2026-01-01T12:00:00.123456789Z", "2026-01-01T12:00:00Z"),
        ("2026-01-01T12:00:00Z", "2026-01-01T12:00:00Z"),
        ("2026-01-01T14:00:00.123456789+02:00", "2026-01-01T14:00:00+02:00"),
        ("2026-01-01T07:00:00.1-05:00", "2026-01-01T07:00:00-05:00"),
    ],
)
def test_since_is_cut_to_whole_seconds_and_keeps_its_time_zone(time, since):
    assert LogCursor(0, 1, time).since == since


def test_the_next_container_is_read_from_its_beginning():
    place = LogCursor(1, 40, at(9)).next_stage()
    assert (place, place.container) == (LogCursor(2), "pull")
    assert LogCursor(4, 1, at(1)).is_last_stage


@given(st.integers(0, 4), st.integers(0, 10**9 - 1), st.sampled_from(["", at(1), at(2, "+02:00")]))
def test_a_cursor_survives_a_round_trip_through_text(stage, number, time):
    place = LogCursor(stage, number, time)
    assert LogCursor.parse(str(place)) == place


words = st.text(st.characters(exclude_characters="\n\r\0", codec="utf-8"), max_size=30)
log_lines = st.lists(st.tuples(st.booleans(), words), max_size=30)


def written(log: list[tuple[bool, str]]) -> list[bytes]:
    """Return the log as a cluster gives it: numbered lines and others, each a bit later than the
    last.
    """
    lines, number = [], 0
    for moment, (numbered, text) in enumerate(log):
        number += numbered
        lines.append(said(f"{number} {text}" if numbered else f"- {text}", moment * 0.3))
    return lines


@settings(deadline=None, max_examples=60)
@given(log_lines, st.lists(st.floats(0, 1), max_size=12))
def test_each_line_is_read_once_in_whatever_pieces_the_log_arrives(log, shares):
    lines = written(log)
    place, found = LogCursor(), []
    for share in [*shares, 1]:
        near = [line for line in lines if line.decode()[:19] >= place.since[:19]]
        for line in near[: round(share * len(near))]:
            place, new = place.read_line(line)
            found += new
        place = LogCursor.parse(str(place))
    assert found == [text if numbered else f"- {text}" for numbered, text in log]


def test_a_piece_has_a_size_limit_but_at_least_one_line():
    piece = LogBuffer(LogCursor())
    assert piece.to_log_lines() is None
    assert piece.add(said("1 " + "x" * 2 * MAX_LINES_BYTES))
    assert not piece.add(said("2 more"))
    made = piece.to_log_lines()
    assert (made.phase, made.position) == ("fetching", str(LogCursor(0, 1, at(0))))
    assert made.text == "x" * 2 * MAX_LINES_BYTES + "\n"


def test_started_and_finished_stages_are_read_from_the_pod():
    thing = pod("Pending", DONE, RUNS, WAITS, {})
    assert started_stages(thing) == ["fetch", "plan"]
    assert list(finished_stages(thing)) == ["fetch"]
    assert (started_stages({"metadata": {}}), finished_stages({"metadata": {}})) == ([], {})


@pytest.mark.parametrize(
    ("said", "lines"),
    [({"lines": "12"}, 12), ({"lines": 12}, 12), ({}, 0), ("12", 0)]
    + [({"lines": text}, 0) for text in ("-1", "1e9", "9" * 5000, "٣", "", None, [1])],
)
def test_a_stage_says_how_many_lines_it_wrote(said, lines):
    (stage,) = finished_stages(pod("Pending", ended(said))).values()
    assert stage.lines == lines


@pytest.mark.parametrize("at", [None, "2026-01-01T00:00:00Z"])
def test_a_stage_says_when_it_ended_unless_its_node_has_lost_it(at):
    (stage,) = finished_stages(pod("Pending", ended(finishedAt=at))).values()
    assert stage.at == (
        datetime(2026, 1, 1, tzinfo=UTC) if at else datetime.min.replace(tzinfo=UTC)
    )
