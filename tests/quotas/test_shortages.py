"""Shortages that keep one more from fitting: compared limit by limit, on the pure functions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from quotas.limits import Limits, Shortage, Usage, exceeds, notebook_shortage, project_shortage
from quotas.resources import Resources

LIMITS = Limits(
    projects=3, running=3, cpu_request=1, cpu_limit=2, memory_request_gb=1, memory_limit_gb=2,
    max_cpu=4, max_memory_gb=8, max_gpu=1, total_cpu=6, total_memory_gb=12, total_gpu=2,
    idle_days=7, volume_gb=10, builds=2,
)  # fmt: skip
USE = Usage(projects=2, running=2, cpu=4, memory_gb=8, gpu=1)
WANTED = Resources(cpu_request=2, cpu_limit=4, memory_request_gb=4, memory_limit_gb=8, gpu=1)
"""Resources that are exactly what is left."""


def test_a_notebook_that_takes_exactly_the_rest_fits():
    assert notebook_shortage(LIMITS, USE, WANTED) is None
    assert project_shortage(LIMITS, USE) is None
    assert not exceeds(LIMITS, WANTED)


@pytest.mark.parametrize(
    ("wanted", "shortage"),
    [
        ({"gpu": 2}, Shortage("total_gpu", 2, 1, 2)),
        ({"cpu_request": 2.01}, Shortage("total_cpu", 6, 4, 2.01)),
        ({"memory_request_gb": 4.01}, Shortage("total_memory_gb", 12, 8, 4.01)),
    ],
)
def test_a_notebook_that_takes_slightly_more_does_not_fit(wanted: Any, shortage):
    assert notebook_shortage(LIMITS, USE, replace(WANTED, **wanted)) == shortage


@pytest.mark.parametrize(
    ("use", "limit"),
    [({"running": 3}, "running"), ({"gpu": 2}, "total_gpu"), ({"cpu": 4.01}, "total_cpu"),
     ({"memory_gb": 8.01}, "total_memory_gb")],
)  # fmt: skip
def test_slightly_more_usage_is_a_shortage(use: Any, limit):
    found = notebook_shortage(LIMITS, replace(USE, **use), WANTED)
    assert found
    assert found.limit == limit


def test_only_requests_count_toward_totals_not_limits():
    greedy = replace(WANTED, cpu_limit=1000, memory_limit_gb=1000)
    assert notebook_shortage(LIMITS, USE, greedy) is None


def test_projects_count_whether_or_not_they_run():
    assert project_shortage(LIMITS, replace(USE, projects=3)) == Shortage("projects", 3, 3, 1)
    assert project_shortage(LIMITS, replace(USE, running=100, cpu=100)) is None
    assert notebook_shortage(LIMITS, replace(USE, projects=100), WANTED) is None


@pytest.mark.parametrize(
    ("use", "wanted"),
    [({"gpu": 5}, {"gpu": 0}), ({"cpu": 50}, {"cpu_request": 0}),
     ({"memory_gb": 50}, {"memory_request_gb": 0})],
)  # fmt: skip
def test_usage_over_a_limit_does_not_block_a_request_for_none_of_it(use: Any, wanted: Any):
    assert notebook_shortage(LIMITS, replace(USE, **use), replace(WANTED, **wanted)) is None


def test_decimal_fractions_add_up_exactly():
    limits = replace(LIMITS, total_cpu=0.3, total_memory_gb=0.7)
    use = replace(USE, cpu=0.1 + 0.1, memory_gb=0.1 + 0.5)
    wanted = replace(WANTED, cpu_request=0.1, memory_request_gb=0.1)
    assert 0.1 + 0.1 + 0.1 > 0.3
    assert notebook_shortage(limits, use, wanted) is None


@pytest.mark.parametrize(
    "given", [{"cpu_limit": 4.01}, {"memory_limit_gb": 8.01}, {"gpu": 2}], ids=str
)
def test_resources_admitted_earlier_exceed_a_lowered_limit(given: Any):
    assert exceeds(LIMITS, replace(WANTED, **given))


def test_the_first_of_several_shortages_is_named():
    use = Usage(projects=9, running=9, cpu=99, memory_gb=99, gpu=9)
    found = []
    limits = LIMITS
    while shortage := notebook_shortage(limits, use, WANTED):
        found.append(shortage.limit)
        limits = replace(limits, **{shortage.limit: 1000})
    assert found == ["running", "total_gpu", "total_cpu", "total_memory_gb"]
