"""Measure round trips of messages over WebSockets."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from contextlib import ExitStack

from websockets.sync.client import ClientConnection, connect

WITHIN = 20
MESSAGE = '{"header": {"msg_type": "kernel_info_request"}, "content": {}}'


def round_trips(
    port: int, path: str, headers: Mapping[str, str], *, sockets: int, number: int
) -> list[float]:
    """Return the milliseconds of ``number`` round trips, each through the next of ``sockets``."""
    host = headers["Host"]
    rest = {name: value for name, value in headers.items() if name != "Host"}
    times = []
    with ExitStack() as ends:
        opened = [ends.enter_context(_open(port, host, path, rest)) for _each in range(sockets)]
        for turn in range(number):
            each = opened[turn % sockets]
            began = time.perf_counter()
            each.send(MESSAGE)
            each.recv(WITHIN)
            times.append((time.perf_counter() - began) * 1000)
    return times


def _open(port: int, host: str, path: str, headers: Mapping[str, str]) -> ClientConnection:
    return connect(
        f"ws://{host}{path}",
        sock=socket.create_connection(("127.0.0.1", port)),
        additional_headers=headers,
        open_timeout=WITHIN,
        compression=None,
        max_size=None,
    )
