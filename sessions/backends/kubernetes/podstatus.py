"""Read a pod's state, and probe whether its JupyterLab answers.

The cluster reports labels, conditions and container states. Whether JupyterLab answers is asked
directly: a readiness probe would know up to a second later, and so would the page.

`capacity` adds up the cluster's nodes. It counts "allocatable": what a node does not reserve for
its own system.
"""

from __future__ import annotations

import http.client
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from sessions.backends import Capacity

from .labels import GPU_RESOURCE
from .serverpod import PORT

PROBE_SECONDS = 1.0
MAX_CONCURRENT_PROBES = 16
PROBE_PATH = "/api"
"""Jupyter returns its version there, without a token."""


class ReadinessProbe:
    """The uids of pods that have answered at least once."""

    def __init__(self) -> None:
        self.ready_uids: frozenset[str] = frozenset()
        self._pool: ThreadPoolExecutor | None = None

    def probe(self, addresses: Mapping[str, str]) -> set[str]:
        """Return the uids of the pods that answer now and had not before.

        ``addresses`` maps each pod's uid to its host.
        """
        pending = {uid: host for uid, host in addresses.items() if uid not in self.ready_uids}
        if not pending:
            return set()
        self._pool = self._pool or ThreadPoolExecutor(MAX_CONCURRENT_PROBES, "answering")
        answers = self._pool.map(_is_answering, pending.values())
        new = {uid for uid, answers in zip(pending, answers, strict=True) if answers}
        self.ready_uids |= new
        return new

    def keep(self, uids: Iterable[str]) -> None:
        """Forget all uids but these."""
        self.ready_uids &= frozenset(uids)


def _is_answering(host: str) -> bool:
    try:
        with closing(http.client.HTTPConnection(host, PORT, timeout=PROBE_SECONDS)) as connection:
            connection.request("GET", PROBE_PATH)
            return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False


Pod = dict[str, Any]
_QUANTITY = re.compile(r"[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]{1,3}|[numkMGTPE]|[KMGTPE]i)?")
_NUMBER = re.compile(r"[0-9]{1,18}")
"""The number of a row; a longer one fits into no column."""


def label(thing: Pod, key: str) -> str:
    """Return the value of a label, "" if it is missing."""
    return str(thing["metadata"].get("labels", {}).get(key, ""))


def number_label(thing: Pod, key: str) -> int | None:
    """Return the number in a label; None for anything else, which anybody may have put there."""
    text = label(thing, key)
    return int(text) if _NUMBER.fullmatch(text) else None


def required_number(thing: Pod, key: str) -> int:
    """Return the number in a label. Raises `ValueError` for anything else."""
    number = number_label(thing, key)
    if number is None:
        raise ValueError(f"{key} is {label(thing, key)!r}")
    return number


def annotation(thing: Pod, key: str) -> str:
    """Return the value of an annotation, "" if it is missing."""
    return str(thing["metadata"].get("annotations", {}).get(key, ""))


def container_statuses(pod: Pod) -> Iterator[tuple[str, Pod]]:
    """Yield name and status of each container that has a status, in order."""
    status = pod.get("status", {})
    for kind in ("initContainerStatuses", "containerStatuses"):
        for each in status.get(kind, []):
            yield each["name"], each


def condition(pod: Pod, kind: str) -> Pod:
    """Return the condition of that kind, or an empty one."""
    found = (each for each in pod.get("status", {}).get("conditions", []) if each["type"] == kind)
    return next(found, {})


def claim_key(name: str) -> str:
    """Return the key of a claim's latest warning."""
    return f"claim {name}"


def claim_warning(pod: Pod, warnings: Mapping[str, str]) -> str:
    """Return the latest warning about one of the pod's claims, "" without one."""
    volumes = pod.get("spec", {}).get("volumes", [])
    claims = [each.get("persistentVolumeClaim", {}).get("claimName") for each in volumes]
    return next((warnings[claim_key(each)] for each in claims if claim_key(each) in warnings), "")


def unscheduled_reason(pod: Pod) -> str | None:
    """Return why no node has taken the pod; None if one has, "" if nobody has tried yet."""
    if pod.get("spec", {}).get("nodeName"):
        return None
    scheduled = condition(pod, "PodScheduled")
    return str(scheduled.get("message", "")) if scheduled.get("status") == "False" else ""


def created_at(thing: Pod) -> datetime:
    """Return when it was created, in UTC."""
    return parse_time(thing["metadata"]["creationTimestamp"])


def parse_time(text: str) -> datetime:
    """Return a time of the cluster (RFC 3339) in UTC. Raises `ValueError` for anything else."""
    return datetime.fromisoformat(text).astimezone(UTC)


def gpu_of(pod: Pod, usual: str) -> str:
    """Return the name of the pod's GPUs in the cluster, which is ``usual`` without a profile."""
    return annotation(pod, GPU_RESOURCE) or usual


def lacks(reason: str | None, resource: str) -> bool:
    """Return whether the scheduler says that there is too little of this resource."""
    return bool(reason and re.search(rf"Insufficient {re.escape(resource)}(?![\w./-]*\w)", reason))


def gpu_queue(pods: Iterable[Pod], usual: str) -> dict[str, int]:
    """Return the places of the pods that wait for a GPU, by name: the oldest of each type has 1."""
    places: Counter[str] = Counter()
    queue = {}
    for pod in sorted(pods, key=created_at):
        gpu = gpu_of(pod, usual)
        if lacks(unscheduled_reason(pod), gpu):
            places[gpu] += 1
            queue[pod["metadata"]["name"]] = places[gpu]
    return queue


def termination_messages(pod: Pod) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each container's termination message, if it is a JSON object."""
    for name, status in container_statuses(pod):
        text = status.get("state", {}).get("terminated", {}).get("message", "")
        try:
            found = json.loads(text or "{}")
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            yield name, {key: str(value).replace("\0", "") for key, value in found.items()}


def is_terminating(thing: Pod) -> bool:
    """Return whether its removal has begun."""
    return "deletionTimestamp" in thing.get("metadata", {})


def is_running(pod: Pod) -> bool:
    """Return whether its containers run and it has an address."""
    status = pod.get("status", {})
    return (
        status.get("phase") == "Running" and bool(status.get("podIP")) and not is_terminating(pod)
    )


def host_in_url(address: str) -> str:
    """Return a pod's IP address as it stands in a URL."""
    return f"[{address}]" if ":" in address else address


Node = dict[str, Any]

_UNITS = {
    "n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0,
    "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50, "Ei": 2.0**60,
}  # fmt: skip
"""https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/"""


Machine = tuple[float, float, float]


def capacity(nodes: Iterable[Node], gpu: str, more: Iterable[Machine] = ()) -> Capacity:
    """Return the total of the nodes that take pods now; ``gpu`` is the resource's name there.

    ``more`` are machines that an autoscaler can add. The kinds of machines include nodes that take
    no pods now: they may again.
    Nodes do not say how much disk is free, only that it is too little: if all ready nodes report
    that, nothing is free. What a node says in a way that cannot be read makes the total unknown.
    """
    nodes = list(nodes)
    ready = [node for node in nodes if _is_ready(node)]
    taking = [node for node in ready if not _is(node, "DiskPressure")]
    memory = _sum(taking, "memory")
    return Capacity(
        cpu=_sum(taking, "cpu"),
        memory_gb=None if memory is None else memory / 1e9,
        gpu=_sum(taking, gpu),
        disk_free_gb=0.0 if ready and not taking else None,
        machines=_kinds(nodes, gpu, more),
    )


def _kinds(nodes: Iterable[Node], gpu: str, more: Iterable[Machine]) -> tuple[Machine, ...] | None:
    """Return the kinds of machines, without those that another one exceeds in everything.

    None if a node says how large it is in a way that cannot be read.
    """
    kinds = set(more)
    for node in nodes:
        sizes = [_sum([node], resource) for resource in ("cpu", "memory", gpu)]
        if None in sizes:
            return None
        cpu, memory, gpus = (size or 0.0 for size in sizes)
        kinds.add((cpu, round(memory / 1e9, 3), gpus))
    return tuple(
        kind
        for kind in sorted(kinds)
        if not any(
            kind != other and all(a <= b for a, b in zip(kind, other, strict=True))
            for other in kinds
        )
    )


def parse_quantity(text: str) -> float:
    """Return ``2``, ``1500m``, ``16Gi`` or ``1e3`` as a number; 0 if it cannot be read."""
    unit = text[-2:] if text[-2:] in _UNITS else text[-1:]
    unit = unit if unit in _UNITS else ""
    try:
        return float(text.removesuffix(unit)) * _UNITS[unit]
    except ValueError:
        return 0.0


def _sum(nodes: Iterable[Node], resource: str) -> float | None:
    """Return the sum, None if one is no quantity; a node has none of what it does not list."""
    found = [node.get("status", {}).get("allocatable", {}).get(resource, "0") for node in nodes]
    if not all(_QUANTITY.fullmatch(str(each)) for each in found):
        return None
    return sum(parse_quantity(str(each)) for each in found)


def _is_ready(node: Node) -> bool:
    """Return whether it is ready and not cordoned.

    Taints are ignored: pods decide what they tolerate.
    """
    return _is(node, "Ready") and not node.get("spec", {}).get("unschedulable", False)


def _is(node: Node, condition: str) -> bool:
    conditions = node.get("status", {}).get("conditions", [])
    return any(each["type"] == condition and each["status"] == "True" for each in conditions)
