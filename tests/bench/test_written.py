"""Reports of a benchmark run, for people and for programs."""

import json
import xml.etree.ElementTree as ET

import pytest

from bench.harness import plan
from bench.harness.figures import Figure, Target
from bench.harness.page import BEGIN, END, described, put
from bench.harness.picture import Growth, across, picture, up
from bench.harness.record import about, record
from bench.harness.table import HEAD, short, table

FIGURES = [
    Figure("API", "answers/s", [600, 620, 640], "JupyterHub", [100, 100, 100],
           more_is_better=True, target=Target("ratio", 5)),
    Figure("accepted", "s", [2.0], target=Target("p95", 1.5)),
]  # fmt: skip


def test_the_table_has_a_row_for_each_figure_with_target_and_ratio():
    assert list(table(FIGURES)) == [
        *HEAD,
        "| API | answers/s | 620 | 602 | JupyterHub | 100 | 100 | 6.20× | ratio ≥ 5 | reached |",
        "| accepted | s | 2.00 | 2.00 |  |  |  |  | p95 ≤ 1.5 s | **not reached** |",
    ]


def test_each_row_has_as_many_cells_as_the_header():
    assert len({line.count("|") for line in table(FIGURES)}) == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [(12345.6, "12,346"), (99.94, "99.9"), (1.234, "1.23"), (0.01234, "0.0123"), (0, "0")],
)
def test_a_number_is_shown_with_its_significant_digits(value, text):
    assert short(value) == text


def test_the_record_has_all_values_the_machine_and_the_failures():
    run = about(plan.quick(7))
    kept = json.loads(json.dumps(record(run, FIGURES, {"upload": "why"})))
    assert kept["figures"][0]["ours"]["all"] == [600, 620, 640]
    assert kept["figures"][0]["ratio"] == pytest.approx(6.2)
    assert kept["figures"][1]["theirs"] is None
    assert kept["failures"] == {"upload": "why"}
    assert kept["plan"]["seed"] == 7
    assert kept["machine"]["cores"]
    assert {"jupyterhub", "configurable-http-proxy", "django"} <= kept["versions"].keys()


def test_the_chart_is_well_formed_with_special_characters_in_names():
    grown = [Growth("a < b & c", "ms", [(1, 2.0), (10, 2.0), (100, 20.0)])]
    drawn = ET.fromstring(picture("“1×”", grown))  # our own text, no stranger's
    assert drawn.tag.endswith("svg")
    assert sum(1 for each in drawn.iter() if each.tag.endswith("circle")) == 3


def test_costlier_is_higher_and_more_is_further_right_in_the_chart():
    assert up(10) < up(1) < up(0.1)
    assert across(1) < across(10) < across(100)
    assert Growth("x", "s", [(2, 4.0), (20, 8.0)]).compared() == [(1, 1), (10, 2)]


def test_a_run_replaces_the_previous_one_in_a_page():
    run = about(plan.full(9))
    page = put(f"# Speed\n{BEGIN}\nold\n{END}\nthe rest\n", described(run, FIGURES))
    assert "old" not in page
    assert "seed 9" in page
    assert "| API |" in page
    assert page.endswith(f"{END}\nthe rest\n")
    assert put(page, described(run, FIGURES)) == page


def test_a_page_without_markers_is_refused():
    with pytest.raises(ValueError, match="there is no"):
        put("# Speed\n", "text")
