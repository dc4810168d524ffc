"""Passing a WebSocket on to a notebook's server: messages, subprotocol and closing, both ways."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from aiohttp import ClientWebSocketResponse, ClientWSTimeout, WSMsgType

from sessions.gateway import headers
from sessions.gateway.arrival import Arrival
from sessions.gateway.upstreams import Upstream
from sessions.gateway.visits import Visit

NO_CODE = 1005
GOING_AWAY = 1001
BROKEN = 1011
CLOSE_WITHIN = ClientWSTimeout(ws_close=5.0)


class Farewell(NamedTuple):
    code: int
    reason: str = ""


NO_LONGER = Farewell(4403)
"""To a visitor who may not have the socket any more."""


class Relay:
    """One socket. ``started``: it was opened to the visitor, so it can be closed with a code.
    ``on_message`` sees what the visitor sends."""

    def __init__(self, receive: Any, send: Any, on_message: Callable[[str | bytes], None]) -> None:
        self._receive, self._send, self._on_message = receive, send, on_message
        self.started = self._closed = False

    async def run(self, arrival: Arrival, upstream: Upstream, token: str, visit: Visit) -> None:
        """Raises `aiohttp.ClientError` or `OSError` when the server cannot be reached, or does
        not open the socket (`WSServerHandshakeError`)."""
        async with upstream.client.ws_connect(
            upstream.url(arrival.target),
            headers=headers.to_notebook(arrival.headers, token),
            protocols=arrival.subprotocols,
            timeout=CLOSE_WITHIN,
            compress=0,
            max_msg_size=0,
        ) as server:
            self.started = True
            await self._send({"type": "websocket.accept", "subprotocol": server.protocol})
            await self._both_ways(server)

    async def break_off(self) -> None:
        """Close the visitor's side because the right to it has ended."""
        if not self._closed:
            await self._close(NO_LONGER)

    async def _close(self, farewell: Farewell) -> None:
        self._closed = True
        code = _sayable(farewell.code, BROKEN)
        with suppress(OSError):  # gone meanwhile
            await self._send({"type": "websocket.close", "code": code, "reason": farewell.reason})

    async def _both_ways(self, server: ClientWebSocketResponse) -> None:
        visitor = asyncio.create_task(self._from_visitor(server))
        notebook = asyncio.create_task(self._from_notebook(server))
        try:
            await asyncio.wait({visitor, notebook}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (visitor, notebook):
                task.cancel()
            left, ended = await asyncio.gather(visitor, notebook, return_exceptions=True)
        if isinstance(left, Farewell):
            self._closed = True
            code = _sayable(left.code, GOING_AWAY)
            await server.close(code=code, message=left.reason.encode())
        else:
            await self._close(ended if isinstance(ended, Farewell) else Farewell(BROKEN))

    async def _from_visitor(self, server: ClientWebSocketResponse) -> Farewell:
        while (message := await self._receive())["type"] != "websocket.disconnect":
            if message["type"] != "websocket.receive":
                continue
            text = message.get("text")
            self._on_message(message["bytes"] if text is None else text)
            if text is not None:
                await server.send_str(text)
            else:
                await server.send_bytes(message["bytes"])
        return Farewell(message.get("code", NO_CODE), message.get("reason") or "")

    async def _from_notebook(self, server: ClientWebSocketResponse) -> Farewell:
        while True:
            message = await server.receive()
            if message.type is WSMsgType.TEXT:
                await self._send({"type": "websocket.send", "text": message.data})
            elif message.type is WSMsgType.BINARY:
                await self._send({"type": "websocket.send", "bytes": message.data})
            elif message.type is WSMsgType.CLOSE:
                return Farewell(message.data or NO_CODE, message.extra or "")
            else:
                return Farewell(BROKEN)


def _sayable(code: int, otherwise: int) -> int:
    """The code, if it may stand in a close frame (RFC 6455, section 7.4)."""
    if code == NO_CODE:
        return 1000
    may = 1000 <= code <= 1014 and code not in {1004, 1006}
    return code if may or 3000 <= code < 5000 else otherwise
