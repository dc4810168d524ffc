"""Noting that somebody works in a notebook, off the path of the request.

An open tab asks for things by itself all the time, so asking is no work: what a person sends is.
What their kernels compute meanwhile is asked of the notebooks themselves (`sessions.activity`).
"""

from __future__ import annotations

import asyncio
import logging
from time import monotonic

from channels.db import database_sync_to_async

from sessions.gateway.arrival import Arrival
from sessions.gateway.messages import is_by_hand
from sessions.gateway.origins import SAFE
from sessions.models import Project

log = logging.getLogger(__name__)

STEP = 60.0
MOST = 10_000
BY_ITSELF = "/lab/api/"
"""JupyterLab keeps its layout and settings here, whether or not anybody is there."""


def is_work(arrival: Arrival, message: str | bytes | None = None) -> bool:
    """Whether a request, or a message of its socket, comes of what a person does."""
    if message is not None:
        return is_by_hand(arrival.path, message)
    return arrival.method not in SAFE and not arrival.path.startswith(BY_ITSELF)


class Activity:
    def __init__(self) -> None:
        self._noted: dict[int, float] = {}
        self._writing: set[asyncio.Task[None]] = set()

    def note(self, project_id: int, arrival: Arrival, message: str | bytes | None = None) -> None:
        """If this is work, somebody works in this project now; written down once a minute."""
        now = monotonic()
        if now - self._noted.get(project_id, -STEP) < STEP or not is_work(arrival, message):
            return
        if len(self._noted) >= MOST:
            self._noted.clear()
        self._noted[project_id] = now
        task = asyncio.create_task(_write(project_id))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)


async def _write(project_id: int) -> None:
    try:
        await _touch(project_id)
    except Exception:
        log.exception("cannot note the activity in project %s", project_id)


@database_sync_to_async
def _touch(project_id: int) -> None:
    Project.objects.filter(pk=project_id).touch()
