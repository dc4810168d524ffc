"""Charts: their contents, positions, and that no text becomes markup."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest

from portal.lib.charts import (
    FOOT,
    HEIGHT,
    TOP,
    DataPoint,
    column_chart,
    gauge,
    line_chart,
    scale_maximum,
    swatch,
)

HOSTILE = "\"><script>alert(1)</script>&amp;'{0}%(x)s"
THREE = [DataPoint((4, 1), "one", "A"), DataPoint((0, 0), "two"), DataPoint((10, 0), "three", "C")]


def read(drawn: str) -> ET.Element:
    """Parse a chart; fails if it is not well-formed."""
    return ET.fromstring(drawn)


def number(part: ET.Element, name: str) -> float:
    return float(part.attrib[name].removesuffix("%"))


def parts(drawn: str, name: str) -> list[ET.Element]:
    return [each for each in read(drawn).iter("rect") if each.get("class") == name]


def test_chart_has_an_accessible_title_and_summary():
    chart = read(column_chart("days", "Launches", "15 in all", THREE))
    title, summary = chart.find("title"), chart.find("desc")
    assert (title.text, summary.text) == ("Launches", "15 in all")
    assert chart.get("role") == "img"
    assert chart.attrib["aria-labelledby"].split() == [title.get("id"), summary.get("id")]


def test_columns_are_stacked_in_proportion_to_their_values():
    drawn = column_chart("days", "t", "s", THREE)
    room = HEIGHT - TOP - FOOT
    fine, failed = parts(drawn, "part-0"), parts(drawn, "part-1")
    assert [number(each, "height") for each in fine] == pytest.approx([room * 0.4, room])
    assert [number(each, "height") for each in failed] == pytest.approx([room * 0.1])
    top_of_failed = number(failed[0], "y") + number(failed[0], "height")
    assert top_of_failed == pytest.approx(number(fine[0], "y"), abs=0.11)


def test_columns_stand_side_by_side_within_the_chart():
    many = [DataPoint((each,), str(each)) for each in range(1, 31)]
    found = parts(column_chart("days", "t", "s", many), "part-0")
    edges = [(number(each, "x"), number(each, "x") + number(each, "width")) for each in found]
    assert len(edges) == 30
    assert all(before[1] < after[0] for before, after in pairwise(edges))
    assert edges[0][0] >= 10 and edges[-1][1] <= 100


def test_every_point_has_a_tooltip_and_some_have_an_axis_label():
    chart = read(column_chart("days", "t", "s", THREE))
    assert [each.findtext("title") for each in chart.iter("g")] == ["one", "three"]
    words = [each.text for each in chart.iter("text") if "label" in each.attrib["class"]]
    assert words == ["A", "C"]


def test_line_skips_points_without_a_value():
    chart = read(
        line_chart(
            "ready", "t", "s", [DataPoint((2,), "a"), DataPoint((), "b"), DataPoint((4,), "c")]
        )
    )
    curves = [each for each in chart.iter("line") if each.get("class") == "curve"]
    dots = list(chart.iter("circle"))
    assert (len(curves), [dot.findtext("title") for dot in dots]) == (1, ["a", "c"])
    assert number(dots[1], "cy") == TOP


@pytest.mark.parametrize("draw", [column_chart, line_chart])
@pytest.mark.parametrize("places", [[], [DataPoint((0,), "nothing", "A")]])
def test_chart_without_data_has_only_its_axis(draw, places):
    chart = read(draw("days", "t", "s", places))
    assert len(list(chart.iter("g"))) == 0
    assert [each.text for each in chart.iter("text")][:3] == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("most", "top"),
    [(0, 2), (1, 2), (2, 2), (3, 4), (5, 6), (7, 8), (10, 10), (11, 20), (61, 80), (0.3, 2),
     (99, 100), (100, 100), (101, 200), (3333, 4000), (1e9, 1e9)],
)  # fmt: skip
def test_a_scale_ends_with_a_round_number(most, top):
    assert scale_maximum(most) == top


@pytest.mark.parametrize(
    ("values", "words"),
    [((8,), ["0", "4", "8"]), ((19_000,), ["0", "10k", "20k"]), ((5e6,), ["0", "3M", "6M"])],
)
def test_axis_labels_are_short(values, words):
    chart = read(column_chart("days", "t", "s", [DataPoint(values, "")]))
    assert [each.text for each in chart.iter("text")] == words


@pytest.mark.parametrize(
    ("used", "total", "width", "over"),
    [(0, 4, "0.0%", False), (1, 4, "25.0%", False), (4, 4, "100.0%", False),
     (9, 4, "100.0%", True), (0, 0, "0.0%", False), (1, 0, "100.0%", True)],
)  # fmt: skip
def test_gauge_is_filled_in_proportion_and_marks_overuse(used, total, width, over):
    drawn = read(gauge(used, total))
    [bar] = [each for each in drawn.iter("rect") if each.get("class") == "used"]
    assert bar.get("width") == width
    assert ("over" in drawn.attrib["class"]) == over


@pytest.mark.parametrize("draw", [column_chart, line_chart])
def test_hostile_labels_are_escaped(draw):
    drawn = draw("days", HOSTILE, HOSTILE, [DataPoint((1,), HOSTILE, HOSTILE)])
    chart = read(drawn)
    assert "<script" not in drawn
    assert {chart.findtext("title"), chart.findtext("desc")} == {HOSTILE}
    assert HOSTILE in [each.text for each in chart.iter("text")]


def test_charts_have_no_inline_styles_and_load_nothing():
    for drawn in (
        column_chart("d", "t", "s", THREE),
        line_chart("l", "t", "s", THREE),
        gauge(1, 2),
    ):
        assert not re.search(r"style=|<style|href|src=|\bon\w+=", drawn)
    assert 'fill="url(#days-hatch)"' in swatch("days", 1)
