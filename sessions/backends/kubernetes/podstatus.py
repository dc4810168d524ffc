"""Read a pod's state, and probe whether its JupyterLab answers.

Whether a notebook's JupyterLab answers: the one thing that the cluster cannot tell.

A readiness probe of the cluster's would know up to a second later, and so would the page.

Reading what the cluster says of a pod: labels, conditions and its containers' states.
"""

from __future__ import annotations

import http.client
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from .serverpod import PORT

SECONDS = 1.0
AT_ONCE = 16
PATH = "/api"
"""Jupyter says its version there, to everybody."""


class Answering:
    """Remembers which pods have answered once."""

    def __init__(self) -> None:
        self.uids: frozenset[str] = frozenset()
        self._pool: ThreadPoolExecutor | None = None

    def ask(self, addresses: Mapping[str, str]) -> set[str]:
        """The uids, of those in ``addresses``, that answer now and had not before."""
        asked = {uid: host for uid, host in addresses.items() if uid not in self.uids}
        if not asked:
            return set()
        self._pool = self._pool or ThreadPoolExecutor(AT_ONCE, "answering")
        answers = self._pool.map(_answers, asked.values())
        new = {uid for uid, answers in zip(asked, answers, strict=True) if answers}
        self.uids |= new
        return new

    def keep(self, uids: Iterable[str]) -> None:
        """Forget all others."""
        self.uids &= frozenset(uids)


def _answers(host: str) -> bool:
    try:
        with closing(http.client.HTTPConnection(host, PORT, timeout=SECONDS)) as connection:
            connection.request("GET", PATH)
            return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False


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
