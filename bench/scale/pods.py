"""Make the statuses that a kubelet would give to pods. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from sessions.backends.kubernetes.buildpod import STAGES
from sessions.backends.kubernetes.labels import BUILD, SESSION

LINES = 20
"""Lines that each container of a build prints."""
DIGEST = f"sha256:{'5' * 64}"

Manifest = dict[str, Any]


def course(pod: Manifest) -> Iterator[Manifest]:
    """Yield the statuses that the pod goes through, in order.

    A build goes through its stages and ends. A notebook runs, any other pod ends at once.
    """
    labels = pod["metadata"].get("labels", {})
    first = [each["name"] for each in pod["spec"].get("initContainers", ())]
    last = [each["name"] for each in pod["spec"]["containers"]]
    if BUILD in labels:
        for number in range(len(STAGES)):
            yield _status("Running" if number == len(first) else "Pending", first, last, number)
    elif SESSION in labels:
        yield _status("Running", first, last, len(first))
        return
    yield _status("Succeeded", first, last, len(first) + len(last))


def _status(phase: str, first: list[str], last: list[str], ended: int) -> Manifest:
    """Return the status in which this many containers have ended and the next one runs."""
    statuses = [_container(name, at - ended) for at, name in enumerate([*first, *last])]
    is_ready = "True" if phase == "Running" else "False"
    initialized = "True" if ended >= len(first) else "False"
    conditions = {"Initialized": initialized, "ContainersReady": is_ready, "Ready": is_ready}
    return {
        "phase": phase,
        "startTime": now(),
        "initContainerStatuses": statuses[: len(first)],
        "containerStatuses": statuses[len(first) :],
        "conditions": [
            {"type": kind, "status": value, "lastTransitionTime": now()}
            for kind, value in conditions.items()
        ],
    }


def _container(name: str, place: int) -> Manifest:
    """Return a container's status: ended, running or waiting if ``place`` is below, at, above 0."""
    states: Mapping[int, Manifest] = {
        -1: {"terminated": _ended(name)},
        0: {"running": {"startedAt": now()}},
        1: {"waiting": {"reason": "PodInitializing"}},
    }
    return {
        "name": name,
        "image": "simulated",
        "imageID": DIGEST,
        "restartCount": 0,
        "ready": place == 0,
        "state": states[(place > 0) - (place < 0)],
    }


def _ended(name: str) -> Manifest:
    said: Manifest = {"size": 4096, "merge": {}}
    if name in STAGES:
        said = {"lines": LINES, "pack": "python", "digest": DIGEST}
    times = {"startedAt": now(), "finishedAt": now()}
    return {"exitCode": 0, "reason": "Completed", "message": json.dumps(said), **times}


def log_lines() -> bytes:
    """Return what a container of a build has printed, as a kubelet sends it with times."""
    lines = (f"{now()} {number} line {number} of the build\n" for number in range(1, LINES + 1))
    return "".join(lines).encode()


def now() -> str:
    """Return the time as the cluster writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
