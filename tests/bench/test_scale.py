"""The simulated cluster of `bench.scale`: what its kubelets say, and how its meters count."""

from dataclasses import replace

import pytest

from bench.scale.costs import below, dispatched, quantile
from bench.scale.nodes import node
from bench.scale.passes import running
from bench.scale.pods import DIGEST, course, log_lines
from sessions.backends import BuildSpec
from sessions.backends.kubernetes import output, podstatus, reports
from sessions.backends.kubernetes.buildpod import STAGES, build_pod
from sessions.backends.kubernetes.site import site_from_settings

BUILD = BuildSpec(7, "https://example.org/repository", "c" * 40, "main", "image")


def test_a_simulated_build_goes_through_its_stages_and_succeeds():
    pod = build_pod(BUILD, site_from_settings())
    found = []
    for status in course(pod):
        seen = {**pod, "status": status}
        found.append((reports.build_report(seen), output.started_stages(seen)))
    assert [stages for _report, stages in found] == [
        *(list(STAGES[: number + 1]) for number in range(len(STAGES))),
        list(STAGES),
    ]
    assert [report.finished for report, _stages in found] == [False] * len(STAGES) + [True]
    assert found[-1][0].digest == DIGEST


def test_a_simulated_log_has_as_many_lines_as_the_container_says():
    place = output.LogCursor()
    for raw in log_lines().splitlines():
        place, lines = place.read_line(raw)
        assert lines == [f"line {place.number} of the build"]
    *_before, status = course(build_pod(BUILD, site_from_settings()))
    ended = output.finished_stages({"status": status})
    assert {each.lines for each in ended.values()} == {place.number}


def test_a_simulated_notebook_is_ready_once_it_has_answered():
    site = site_from_settings()
    snapshot = running(3, site)
    assert [each.state for each in reports.reports(snapshot, site)] == ["ready"] * 3
    silent = replace(snapshot, ready_uids=frozenset())
    assert [each.state for each in reports.reports(silent, site)] == ["starting"] * 3


def test_a_simulated_node_has_room():
    capacity = podstatus.capacity([node("one", "127.0.0.1", 1)], "nvidia.com/gpu")
    assert (capacity.cpu, capacity.gpu) == (64, 0)


def test_only_requests_of_one_class_are_counted_over_all_levels():
    name = "apiserver_flowcontrol_dispatched_requests_total"
    text = (
        f'{name}{{flow_schema="service-accounts",priority_level="a"}} 3\n'
        f'{name}{{flow_schema="service-accounts",priority_level="b"}} 1.2e+06\n'
        f'{name}{{flow_schema="exempt",priority_level="exempt"}} 5\n'
    )
    assert dispatched(text) == {"service-accounts": 1_200_003, "exempt": 5}


def test_all_descendants_of_a_process_are_found():
    assert sorted(below(2, {1: 0, 2: 1, 3: 2, 4: 3, 5: 1})) == [2, 3, 4]


@pytest.mark.parametrize(("part", "expected"), [(0.5, 3), (0.95, 4), (1, 4)])
def test_a_quantile_is_one_of_the_values(part, expected):
    assert quantile([4, 1, 3, 2], part) == expected
    assert quantile([], part) == 0
