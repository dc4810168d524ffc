"""Reading what the cluster says of a pod: labels, conditions and its containers' states."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

Pod = dict[str, Any]


def label(thing: Pod, key: str) -> str:
    return str(thing["metadata"].get("labels", {}).get(key, ""))


def annotation(thing: Pod, key: str) -> str:
    return str(thing["metadata"].get("annotations", {}).get(key, ""))


def containers(pod: Pod) -> Iterator[tuple[str, Pod]]:
    """Name and status of each container that the node has said something of, in their order."""
    status = pod.get("status", {})
    for kind in ("initContainerStatuses", "containerStatuses"):
        for each in status.get(kind, []):
            yield each["name"], each


def condition(pod: Pod, kind: str) -> Pod:
    """The condition of that kind, or an empty one."""
    found = (each for each in pod.get("status", {}).get("conditions", []) if each["type"] == kind)
    return next(found, {})


def unscheduled(pod: Pod) -> str | None:
    """Why no node has taken the pod; None when one has, "" when nobody has tried yet."""
    if pod.get("spec", {}).get("nodeName"):
        return None
    scheduled = condition(pod, "PodScheduled")
    return str(scheduled.get("message", "")) if scheduled.get("status") == "False" else ""


def created(thing: Pod) -> datetime:
    return moment(thing["metadata"]["creationTimestamp"])


def moment(text: str) -> datetime:
    """A time as the cluster writes it."""
    return datetime.fromisoformat(text).astimezone(UTC)


def leaves(thing: Pod) -> bool:
    """Whether its removal has begun."""
    return "deletionTimestamp" in thing["metadata"]


def is_running(pod: Pod) -> bool:
    """Whether its containers run and it has an address."""
    status = pod.get("status", {})
    return status.get("phase") == "Running" and bool(status.get("podIP")) and not leaves(pod)
