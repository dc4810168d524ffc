"""What the answer of a notebook's server says; pure.

The server is somebody's code, so anything may stand in an answer, and a clock there may be wrong.
What it tells of the last activity is of little use: a tab that is merely open moves that of
``/api/status`` every few seconds, and that of a kernel whenever it connects again, as all tabs do
after a restart of the portal. Whatever a person has executed, the gateway has seen.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

QUESTION = "/api/kernels?no_track_activity=1"
"""Asked so, the server does not take the question itself for activity."""


@dataclass(frozen=True, slots=True)
class Reading:
    """``busy``: a kernel computes. ``active`` is the latest activity that counts, None without."""

    busy: bool = False
    active: datetime | None = None


def read(body: bytes, now: datetime, *, unattended: bool) -> Reading | None:
    """What the kernels do, None if that cannot be understood.

    A kernel that computes is active now, if somebody is connected to it. If ``unattended``, nobody
    needs to be, and an idle one was active when it says so; not later than ``now``, though.
    """
    try:
        kernels = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(kernels, list) or not all(isinstance(each, dict) for each in kernels):
        return None
    active = max(_moments(kernels, now, unattended=unattended), default=None)
    return Reading(any(map(_is_busy, kernels)), active)


def _moments(
    kernels: Iterable[dict[str, Any]], now: datetime, *, unattended: bool
) -> Iterator[datetime]:
    for kernel in kernels:
        if _is_busy(kernel) and (unattended or _is_attended(kernel)):
            yield now
        elif unattended and (moment := _moment(kernel.get("last_activity"))):
            yield min(moment, now)


def _is_busy(kernel: dict[str, Any]) -> bool:
    return kernel.get("execution_state") == "busy"


def _is_attended(kernel: dict[str, Any]) -> bool:
    connections = kernel.get("connections")
    return isinstance(connections, int) and connections > 0


def _moment(text: object) -> datetime | None:
    """Jupyter writes times of UTC, with their zone or without."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
