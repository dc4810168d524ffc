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
def test_cells_that_begin_like_a_formula_are_quoted(cell):
    assert read(streaming.csv_text([[cell, "next"]])) == [[f"'{cell}", "next"]]


@pytest.mark.parametrize("cell", PLAIN)
def test_other_cells_are_unchanged(cell):
    assert read(streaming.csv_text([[cell, "next"]])) == [[cell, "next"]]


def test_negative_numbers_are_not_quoted(settings):
    settings.TIME_ZONE = "UTC"
    moment = datetime(2026, 11, 2, 12, 0, 0, 5, tzinfo=UTC)
    cells = [-1, -0.5, 0, True, None, moment]
    assert read(streaming.csv_text([cells])) == [
        ["-1", "-0.5", "0", "True", "", "2026-11-02T12:00:00+00:00"]
    ]
