"""Pass a WebSocket on to a notebook server: frames, subprotocol and closing, in both directions.

Only a piece of a message is held at a time (`websocket`). While one side reads slowly, the other is
not read; `connections` bounds what waits. Pings end here, so that a laptop may sleep.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from time import monotonic
from typing import Any, NamedTuple

from portal.server.socket import BYTES, CLOSE_WITHIN, PING_INTERVAL, PING_TIMEOUT
from sessions.gateway.connections import BlockedWriters, Connection, Upstream
from sessions.gateway.request import GatewayRequest
from sessions.gateway.websocket import (
    ControlFrame,
    FrameError,
    FrameParser,
    NotebookSocket,
    Opcode,
    build_control_frame,
    open_socket,
)

log = logging.getLogger(__name__)

NO_STATUS, GOING_AWAY, INTERNAL_ERROR, TRY_AGAIN_LATER = 1005, 1001, 1011, 1013
SLICE_BYTES = 16 * 1024
"""Bytes after which other tasks get a turn: that many can be thousands of frames."""
READ_BYTES = 64 * 1024

SendBytes = Callable[[bytes], Awaitable[None]]


class CloseReason(NamedTuple):
    """The code and reason to close a WebSocket with."""

    code: int
    reason: str = ""


ACCESS_ENDED = CloseReason(4403, "you no longer have access to this notebook")
"""For a visitor who lost access while the socket was open."""
OVERLOADED = CloseReason(TRY_AGAIN_LATER, "too much unread data; connect again")


class WebSocketProxy:
    """One WebSocket between a visitor and a notebook server.

    ``started`` means that it was accepted, so it can be closed with a code. ``on_message`` is
    called with the beginning of each message from the visitor.
    """

    def __init__(
        self,
        receive: Any,
        send: Any,
        on_message: Callable[[bytes], None],
        blocked_writers: BlockedWriters,
    ) -> None:
        self._receive, self._send, self._on_message = receive, send, on_message
        self._blocked_writers, self._project = blocked_writers, 0
        self._tasks: list[asyncio.Task[CloseReason]] = []
        self._last_received = monotonic()
        self._aborted = self._closed = False
        self._from_visitor, self._from_notebook = (
            FrameParser(is_masked=True),
            FrameParser(is_masked=False),
        )
        self.started = False

    async def run(
        self, request: GatewayRequest, upstream: Upstream, token: str, connection: Connection
    ) -> None:
        """Connect both sides and pass frames until one of them closes.

        Raises `OSError` if the server cannot be reached, `HandshakeRejected` if it does not open
        the socket.
        """
        self._project = connection.project_id
        async with open_socket(request, upstream, token) as server:
            self.started = True
            await self._send(
                {"type": "websocket.accept", "subprotocol": server.subprotocol, "bytes": True}
            )
            await self._both_ways(server)

    async def close_access_ended(self) -> None:
        """Close the visitor's side because their access has ended."""
        if not self._closed:
            await self._close_to_visitor(ACCESS_ENDED)

    def _abort(self) -> None:
        """Close both sides: too much waits here, most of it for this notebook's sockets."""
        self._aborted = True
        for task in self._tasks:
            task.cancel()

    async def _both_ways(self, server: NotebookSocket) -> None:
        visitor = asyncio.create_task(self._pass_from_visitor(server))
        notebook = asyncio.create_task(self._pass_from_notebook(server))
        pinging = asyncio.create_task(self._ping())
        self._tasks = [visitor, notebook, pinging]
        try:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in self._tasks:
                task.cancel()
            ends = await asyncio.gather(*self._tasks, return_exceptions=True)
        left, ended, lost = [each if isinstance(each, CloseReason) else None for each in ends]
        if self._aborted:
            left = ended = OVERLOADED
        closing = [
            self._close_to_visitor(ended or left or lost or _log_failures(ends)),
            self._close_to_notebook(server, left or ended or CloseReason(GOING_AWAY)),
        ]
        await asyncio.gather(*closing)

    # --- Both directions ---
    async def _pass_from_visitor(self, server: NotebookSocket) -> CloseReason:
        async def onward(piece: bytes) -> None:
            server.writer.write(piece)
            await self._while_waiting(server.writer.drain())

        async def pong(payload: bytes) -> None:
            await self._to_visitor(build_control_frame(Opcode.PONG, payload, is_masked=False))

        while (message := await self._receive())["type"] == BYTES:
            self._last_received = monotonic()
            for part in _slices(message["bytes"]):
                end = await self._pass(self._from_visitor, part, onward, pong)
                for sample in self._from_visitor.samples:
                    self._on_message(sample)
                self._from_visitor.samples.clear()
                if end:
                    return end
                await asyncio.sleep(0)
        self._closed = True
        return CloseReason(GOING_AWAY)

    async def _pass_from_notebook(self, server: NotebookSocket) -> CloseReason:
        async def pong(payload: bytes) -> None:
            server.writer.write(build_control_frame(Opcode.PONG, payload, is_masked=True))
            await self._while_waiting(server.writer.drain())

        while data := await server.reader.read(READ_BYTES):
            for part in _slices(data):
                end = await self._pass(self._from_notebook, part, self._to_visitor, pong)
                if end:
                    return end
                await asyncio.sleep(0)
        return CloseReason(INTERNAL_ERROR)

    async def _pass(
        self, frames: FrameParser, data: bytes, onward: SendBytes, pong: SendBytes
    ) -> CloseReason | None:
        """Pass data on; return the close reason once a side has closed or broken the protocol."""
        try:
            for each in frames.feed(data):
                if isinstance(each, bytes):
                    await onward(each)
                elif each.opcode is Opcode.PING:
                    await pong(each.payload)
                elif each.opcode is Opcode.CLOSE:
                    return _close_reason(each)
        except FrameError as wrong:
            return CloseReason(wrong.code, wrong.reason)
        return None

    async def _ping(self) -> CloseReason:
        """Keep the connection to the visitor alive, and notice when nobody is there any more."""
        while monotonic() - self._last_received < PING_TIMEOUT:
            await asyncio.sleep(PING_INTERVAL)
            await self._to_visitor(build_control_frame(Opcode.PING, b"", is_masked=False))
        return CloseReason(GOING_AWAY)

    async def _to_visitor(self, piece: bytes) -> None:
        await self._while_waiting(self._send({"type": BYTES, "bytes": piece}))

    async def _while_waiting(self, sending: Awaitable[None]) -> None:
        with self._blocked_writers.blocked(self._project, self._abort):
            await sending

    # --- Closing ---
    async def _close_to_visitor(self, close_reason: CloseReason) -> None:
        """Send the reason and leave time to read it: a visitor still sending would miss it."""
        if self._closed:
            return
        self._closed = True
        words = build_control_frame(
            Opcode.CLOSE, _close_payload(close_reason, INTERNAL_ERROR), is_masked=False
        )
        with suppress(OSError, FrameError):
            async with asyncio.timeout(CLOSE_WITHIN):
                await self._send({"type": BYTES, "bytes": words})
                while not self._from_visitor.is_closed:
                    message = await self._receive()
                    if message["type"] != BYTES:
                        break
                    self._from_visitor.skip_to_close(message["bytes"])

    async def _close_to_notebook(self, server: NotebookSocket, close_reason: CloseReason) -> None:
        words = build_control_frame(
            Opcode.CLOSE, _close_payload(close_reason, GOING_AWAY), is_masked=True
        )
        with suppress(OSError, FrameError):
            async with asyncio.timeout(CLOSE_WITHIN):
                server.writer.write(words)
                await server.writer.drain()
                while not self._from_notebook.is_closed:
                    data = await server.reader.read(READ_BYTES)
                    if not data:
                        break
                    self._from_notebook.skip_to_close(data)


def _slices(data: bytes) -> Iterator[bytes]:
    return (data[at : at + SLICE_BYTES] for at in range(0, len(data), SLICE_BYTES))


def _log_failures(ends: Iterable[object]) -> CloseReason:
    """Log why a socket broke off that neither side closed, and return the close reason."""
    for each in ends:
        if isinstance(each, Exception) and not isinstance(each, OSError):
            log.error("cannot proxy a WebSocket", exc_info=each)
    return CloseReason(INTERNAL_ERROR)


def _close_reason(close: ControlFrame) -> CloseReason:
    if len(close.payload) < 2:
        return CloseReason(NO_STATUS)
    code, reason = int.from_bytes(close.payload[:2], "big"), close.payload[2:]
    return CloseReason(code, reason.decode("utf-8", "replace"))


def _close_payload(close_reason: CloseReason, fallback: int) -> bytes:
    """Return the payload of a close frame: a code allowed there, and the reason.

    RFC 6455, section 7.4, says which codes are allowed.
    """
    code = 1000 if close_reason.code == NO_STATUS else close_reason.code
    may = 1000 <= code <= 1014 and code not in {1004, 1006}
    code = code if may or 3000 <= code < 5000 else fallback
    reason = close_reason.reason.encode()[:123].decode("utf-8", "ignore")
    return code.to_bytes(2, "big") + reason.encode()
