"""Pass an HTTP request on to a notebook server, and stream its answer back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import ClientResponse

from sessions.gateway.connections import Connection, Upstream
from sessions.gateway.request import GatewayRequest, from_notebook, to_notebook


class InvalidStatus(Exception):
    """Raised for an answer whose status is not a valid final one."""


class HttpProxy:
    """One request and its answer.

    ``started`` means that the answer is on its way. If it breaks off then, it is left incomplete,
    so that it does not pass for a whole one.
    """

    def __init__(self, receive: Any, send: Any) -> None:
        self._receive, self._send = receive, send
        self._listener: asyncio.Task[None] | None = None
        self.started = False

    async def run(
        self, request: GatewayRequest, upstream: Upstream, token: str, connection: Connection
    ) -> None:
        """Pass the request on and the answer back.

        Raises `aiohttp.ClientError` or `OSError` if the server fails (`ClientResponseError` if HTTP
        does not allow its answer), and `InvalidStatus` if its status is below 200, which would turn
        the connection into a tunnel, or above 599.
        """
        body = None
        if b"content-length" in request.header_map or b"transfer-encoding" in request.header_map:
            body = self._body(connection)
        else:
            self._watch_disconnect(connection)
        try:
            async with upstream.client.request(
                request.method,
                upstream.url(request.target),
                headers=to_notebook(request.headers, token),
                data=body,
                allow_redirects=False,
            ) as response:
                await self._send_response(response)
        finally:
            if self._listener:
                self._listener.cancel()

    async def _send_response(self, response: ClientResponse) -> None:
        if not 200 <= response.status < 600:
            response.close()
            raise InvalidStatus
        self.started = True
        onward = from_notebook(response.raw_headers)
        await self._send(
            {"type": "http.response.start", "status": response.status, "headers": onward}
        )
        async for piece in response.content.iter_any():
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        await self._send({"type": "http.response.body", "body": b""})

    async def _body(self, connection: Connection) -> AsyncIterator[bytes]:
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                connection.cancel()
                # A body that simply ended here would look complete.
                raise ConnectionAbortedError
            yield message.get("body", b"")
            more = message.get("more_body", False)
        self._watch_disconnect(connection)

    def _watch_disconnect(self, connection: Connection) -> None:
        """Break off if the visitor leaves before the answer is there."""
        self._listener = asyncio.create_task(self._wait_for_disconnect(connection))

    async def _wait_for_disconnect(self, connection: Connection) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        connection.cancel()
