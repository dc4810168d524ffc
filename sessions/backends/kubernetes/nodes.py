"""Add up the capacity of the cluster's nodes. Pure functions.

Counts "allocatable": what a node does not reserve for its own system.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sessions.backends import Capacity

Node = dict[str, Any]

_UNITS = {
    "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0,
    "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50, "Ei": 2.0**60,
}  # fmt: skip
"""https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/"""


def capacity(nodes: Iterable[Node], gpu: str) -> Capacity:
    """Return the total of the nodes that take pods now; ``gpu`` names that resource.

    Nodes do not say how much disk is free, only that it is too little: if all ready nodes report
    that, nothing is free.
    """
    ready = [node for node in nodes if _is_ready(node)]
    taking = [node for node in ready if not _is(node, "DiskPressure")]
    return Capacity(
        cpu=_sum(taking, "cpu"),
        memory_gb=_sum(taking, "memory") / 1e9,
        gpu=_sum(taking, gpu),
        disk_free_gb=0.0 if ready and not taking else None,
    )


def quantity(text: str) -> float:
    """Return ``2``, ``1500m``, ``16Gi`` or ``1e3`` as a number; 0 if it cannot be read."""
    unit = text[-2:] if text[-2:] in _UNITS else text[-1:]
    unit = unit if unit in _UNITS else ""
    try:
        return float(text.removesuffix(unit)) * _UNITS[unit]
    except ValueError:
        return 0.0


def _sum(nodes: Iterable[Node], resource: str) -> float:
    found = (node.get("status", {}).get("allocatable", {}).get(resource, "0") for node in nodes)
    return sum(quantity(str(each)) for each in found)


def _is_ready(node: Node) -> bool:
    """Return whether it is ready and not cordoned.

    Taints are ignored: pods decide what they tolerate.
    """
    return _is(node, "Ready") and not node.get("spec", {}).get("unschedulable", False)


def _is(node: Node, condition: str) -> bool:
    conditions = node.get("status", {}).get("conditions", [])
    return any(each["type"] == condition and each["status"] == "True" for each in conditions)
