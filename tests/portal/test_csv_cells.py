"""CSV cells: none is calculated by the spreadsheet that opens it, and none is lost."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

import pytest

from portal.lib import streaming

CALCULATED = ["=1+1", "+1", "-1", "-cmd|' /C calc'!A0", "@SUM(A1)", "\t=1+1", "\r=1+1"]
PLAIN = ["", "ada", "a=1", "1-2", " -1", "ada@example.org", "a\tb", "line\nbreak", 'quote "x"']


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("cell", CALCULATED)
def test_what_begins_like_a_formula_gets_a_quote_in_front(cell):
    assert read(streaming.csv_text([[cell, "next"]])) == [[f"'{cell}", "next"]]


@pytest.mark.parametrize("cell", PLAIN)
def test_anything_else_is_as_it_was(cell):
    assert read(streaming.csv_text([[cell, "next"]])) == [[cell, "next"]]


def test_numbers_stay_numbers_below_zero_too(settings):
    settings.TIME_ZONE = "UTC"
    moment = datetime(2026, 11, 2, 12, 0, 0, 5, tzinfo=UTC)
    cells = [-1, -0.5, 0, True, None, moment]
    assert read(streaming.csv_text([cells])) == [
        ["-1", "-0.5", "0", "True", "", "2026-11-02T12:00:00+00:00"]
    ]
