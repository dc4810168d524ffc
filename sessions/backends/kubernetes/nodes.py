"""From the cluster's machines, as it describes them, to what they have together. Pure functions.

What counts is "allocatable": what a node's own system does not keep for itself.
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
    """What those nodes have that take pods now; ``gpu`` is the name of that resource.

    How much of their disks is free they do not say, but that too little is: where none is left
    with enough, nothing is free.
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
    """``2``, ``1500m``, ``16Gi``, ``1e3`` as a number. 0 for what cannot be read."""
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
    """Ready, and not cordoned. Taints are left aside: who tolerates what, each pod says."""
    return _is(node, "Ready") and not node.get("spec", {}).get("unschedulable", False)


def _is(node: Node, condition: str) -> bool:
    conditions = node.get("status", {}).get("conditions", [])
    return any(each["type"] == condition and each["status"] == "True" for each in conditions)
