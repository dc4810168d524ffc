"""Which messages of a socket come of what a person does; pure, and quick also for large ones.

A tab of JupyterLab that is merely open speaks by itself whenever it connects: it asks the kernel
who it is, opens comms and sub-shells for its debugger and says how large the window of a terminal
is. With other people in a document it says every few seconds that it is still there.
"""

from __future__ import annotations

import re
from collections.abc import Callable

BY_HAND = frozenset(
    {"execute_request", "input_reply", "complete_request", "inspect_request", "is_complete_request"}
)
LONGEST = 4096
"""Bytes: what a tab says by itself is shorter."""
TYPE = re.compile(rb'(?<!\\)"msg_type"\s*:\s*"(\w+)"')
WIDGET = re.compile(rb'(?<!\\)"method"\s*:\s*"update"')
"""In a ``comm_msg``: the new state of a widget that somebody has moved."""


def is_by_hand(path: str, message: str | bytes) -> bool:
    """Whether a person is behind a message to the socket at this path. What is not known counts."""
    if len(message) > LONGEST:
        return True
    data = message.encode() if isinstance(message, str) else message
    return all(rule(data) for prefix, rule in RULES.items() if path.startswith(prefix))


def _to_kernel(data: bytes) -> bool:
    """Either JSON, or parts behind a table of eight-byte numbers that say where each begins, the
    header being the second (``v1.kernel.websocket.jupyter.org``)."""
    begin, end = (int.from_bytes(data[at : at + 8], "little") for at in (16, 24))
    found = TYPE.search(data if data.startswith(b"{") else data[begin:end])
    kind = found[1].decode() if found else ""
    return kind in BY_HAND or (kind == "comm_msg" and WIDGET.search(data) is not None)


def _to_terminal(data: bytes) -> bool:
    return data.startswith(b'["stdin"')


def _to_document(data: bytes) -> bool:
    """Of the kinds that Yjs has, a change of the document."""
    return data.startswith(b"\x00\x02")


RULES: dict[str, Callable[[bytes], bool]] = {
    "/api/kernels/": _to_kernel,
    "/terminals/websocket/": _to_terminal,
    "/api/collaboration/room/": _to_document,
}
