"""The total resources of the cluster's nodes, where the portal may see them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from sessions.backends import Capacity
from sessions.backends.kubernetes.podstatus import capacity, parse_quantity
from sessions.errors import InternalError, TemporaryError

GPU = "nvidia.com/gpu"


def node(
    name: str = "one", *, ready: str = "True", pressed: str = "False", **more: Any
) -> dict[str, Any]:
    has = {"cpu": "4", "memory": "16Gi", GPU: "1", **more.pop("has", {})}
    conditions = [
        {"type": "MemoryPressure", "status": "False"},
        {"type": "DiskPressure", "status": pressed},
        {"type": "Ready", "status": ready},
    ]
    return {
        "metadata": {"name": name},
        "spec": more,
        "status": {"allocatable": has, "conditions": conditions},
    }


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("4", 4),
        ("3920m", 3.92),
        ("0.5", 0.5),
        ("16Gi", 16 * 2**30),
        ("16393220Ki", 16393220 * 1024),
        ("64G", 64e9),
        ("128974848", 128974848),
        ("129e6", 129e6),
        ("1E", 1e18),
        ("100u", 1e-4),
        ("", 0),
        ("many", 0),
        ("Ki", 0),
    ],
)
def test_quantities_are_parsed_in_kubernetes_notation(text, number):
    assert parse_quantity(text) == pytest.approx(number)


def test_capacity_is_the_sum_over_schedulable_nodes():
    nodes = [node("one"), node("two", has={"cpu": "3500m", "memory": "8000000Ki", GPU: "2"})]
    found = capacity(nodes, GPU)
    assert found.cpu == 7.5
    assert found.memory_gb == pytest.approx(16 * 1.073741824 + 8.192)
    assert found.gpu == 3


@pytest.mark.parametrize(
    "away", [node(ready="False"), node(ready="Unknown"), node(unschedulable=True), {"spec": {}}]
)
def test_an_unschedulable_node_is_not_counted(away):
    kinds = capacity([away], GPU).machines
    assert capacity([away], GPU) == Capacity(0, 0, 0, machines=kinds)
    assert capacity([away, node()], GPU).cpu == 4


@pytest.mark.parametrize("said", ["many", "", "-1", "1e400x", "4 cores"])
def test_capacity_is_unknown_if_a_node_says_it_in_an_unreadable_way(said):
    found = capacity([node(has={"cpu": said, "memory": "8Gi"}), node("two")], GPU)
    assert found.cpu is None
    assert found.memory_gb


def test_gpus_are_counted_by_the_sites_resource_name():
    mixed = [node(has={"amd.com/gpu": "3"})]
    assert (capacity(mixed, GPU).gpu, capacity(mixed, "amd.com/gpu").gpu) == (1, 3)
    assert capacity(mixed, "example.org/none").gpu == 0


def test_nodes_are_listed_cluster_wide(api, cluster):
    api.put("nodes", node())
    assert [each["metadata"]["name"] for each in cluster.nodes()] == ["one"]
    assert api.asked == ["GET nodes"]


def test_nodes_are_unknown_without_the_right_to_list_them(api, cluster):
    api.fail(403, json.dumps({"message": "nodes is forbidden: User cannot list"}).encode())
    assert cluster.nodes() is None


@pytest.mark.parametrize(("status", "error"), [(503, TemporaryError), (400, InternalError)])
def test_any_other_failure_to_list_nodes_raises(api, cluster, status, error):
    api.fail(status)
    with pytest.raises(error):
        cluster.nodes()


def test_a_node_with_disk_pressure_is_not_counted():
    found = capacity([node(pressed="True"), node("two")], GPU)
    assert (found.cpu, found.disk_free_gb) == (4, None)


def test_no_disk_is_free_if_every_node_has_disk_pressure():
    assert capacity([node(pressed="True")], GPU).disk_free_gb == 0
    assert capacity([], GPU).disk_free_gb is None


def test_the_kinds_of_machines_are_those_that_no_other_exceeds():
    small = node("small", has={"cpu": "2", GPU: "0"})
    same = [node(f"gpu-{number}", ready="False") for number in range(3)]
    large = node("large", has={"cpu": "64", "memory": "256G", GPU: "0"})
    assert capacity([small, *same, large], GPU).machines == ((4, 17.18, 1), (64, 256, 0))
    assert capacity([small], GPU, [(8, 32, 4)]).machines == ((8, 32, 4),)


def test_the_kinds_of_machines_are_unknown_if_one_cannot_be_read():
    assert capacity([node(), node(has={"memory": "much"})], GPU).machines is None


def test_named_machines_count_where_nodes_may_not_be_read(api, backend):
    backend.site = replace(backend.site, machines=((64, 256, 0),))
    api.fail(403, json.dumps({"message": "nodes is forbidden"}).encode())
    assert backend.capacity() == Capacity(machines=((64, 256, 0),))
