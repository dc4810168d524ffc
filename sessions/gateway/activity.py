"""Record that somebody works in a notebook, from the requests and messages they send.

An open tab of JupyterLab fetches things and sends messages by itself: whenever it connects, it asks
the kernel who it is, opens comms and sub-shells for its debugger, and reports the window size of a
terminal. With other people in a document it says every few seconds that it is still there. None of
that is work; only what a person sends counts. Telling them apart is pure, and fast for large
messages too (`is_user_message`).

Writing to the database happens off the path of the request. Work that kernels do meanwhile is read
from the notebook servers themselves (`sessions.culling.activity`).
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from time import monotonic

from channels.db import database_sync_to_async

from sessions.gateway.request import SAFE_METHODS, GatewayRequest
from sessions.models import Project

USER_MESSAGE_TYPES = frozenset(
    {"execute_request", "input_reply", "complete_request", "inspect_request", "is_complete_request"}
)
MAX_AUTOMATIC_BYTES = 4096
"""Bytes; messages that a tab sends on its own are shorter."""
MESSAGE_TYPE = re.compile(rb'(?<!\\)"msg_type"\s*:\s*"(\w+)"')
WIDGET_UPDATE = re.compile(rb'(?<!\\)"method"\s*:\s*"update"')
"""In a ``comm_msg``: the new state of a widget that someone moved."""


def is_user_message(path: str, message: str | bytes) -> bool:
    """Return whether a person is behind a message to the socket at this path; True if unknown."""
    if len(message) > MAX_AUTOMATIC_BYTES:
        return True
    data = message.encode() if isinstance(message, str) else message
    return all(rule(data) for prefix, rule in MESSAGE_RULES.items() if path.startswith(prefix))


def _is_user_kernel_message(data: bytes) -> bool:
    """Return whether a message to a kernel is by a person.

    It is either JSON, or parts behind a table of eight-byte numbers that say where each part
    begins; the header is the second part (``v1.kernel.websocket.jupyter.org``).
    """
    begin, end = (int.from_bytes(data[at : at + 8], "little") for at in (16, 24))
    found = MESSAGE_TYPE.search(data if data.startswith(b"{") else data[begin:end])
    kind = found[1].decode() if found else ""
    return kind in USER_MESSAGE_TYPES or (
        kind == "comm_msg" and WIDGET_UPDATE.search(data) is not None
    )


def _is_terminal_input(data: bytes) -> bool:
    return data.startswith(b'["stdin"')


def _is_document_change(data: bytes) -> bool:
    """Return whether the message changes the document, unlike Yjs's other kinds."""
    return data.startswith(b"\x00\x02")


MESSAGE_RULES: dict[str, Callable[[bytes], bool]] = {
    "/api/kernels/": _is_user_kernel_message,
    "/terminals/websocket/": _is_terminal_input,
    "/api/collaboration/room/": _is_document_change,
}


log = logging.getLogger(__name__)

WRITE_INTERVAL = 60.0
MAX_PROJECTS = 10_000
AUTOSAVE_PREFIX = "/lab/api/"
"""JupyterLab saves its layout and settings here, whether or not anyone is using it."""


def is_user_activity(request: GatewayRequest, message: str | bytes | None = None) -> bool:
    """Return whether a person is behind a request, or behind a message of its socket."""
    if message is not None:
        return is_user_message(request.path, message)
    return request.method not in SAFE_METHODS and not request.path.startswith(AUTOSAVE_PREFIX)


class ActivityRecorder:
    """A record of who works in which project, written at most once a minute for each."""

    def __init__(self) -> None:
        self._noted: dict[int, float] = {}
        self._writing: set[asyncio.Task[None]] = set()

    def record(
        self, project_id: int, request: GatewayRequest, message: str | bytes | None = None
    ) -> None:
        """Record that somebody works in this project now, if this is work.

        It is written at most once a minute.
        """
        now = monotonic()
        if now - self._noted.get(
            project_id, -WRITE_INTERVAL
        ) < WRITE_INTERVAL or not is_user_activity(request, message):
            return
        if len(self._noted) >= MAX_PROJECTS:
            self._noted.clear()
        self._noted[project_id] = now
        task = asyncio.create_task(_write(project_id))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)


async def _write(project_id: int) -> None:
    try:
        await _touch(project_id)
    except Exception:
        log.exception("cannot record the activity in project %s", project_id)


@database_sync_to_async
def _touch(project_id: int) -> None:
    Project.objects.filter(pk=project_id).touch()
