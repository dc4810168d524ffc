"""Pass an HTTP request on to a notebook server, and stream its answer back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import ClientError, ClientResponse

from sessions.gateway.connections import MAX_HEADER_BYTES, Connection, Upstream
from sessions.gateway.headers import check_size, from_notebook, to_notebook
from sessions.gateway.request import GatewayRequest, for_origin
from sessions.jupyter_gateway import MAX_BODY


class InvalidStatus(Exception):
    """Raised for an answer whose status is not a valid final one."""


class HeadersTooLarge(Exception):
    """Raised for an answer with headers of more than `MAX_HEADER_BYTES` in all."""


class BodyTooLarge(Exception):
    """Raised for a body of more than `MAX_BODY` bytes, which Jupyter's server would not read."""


class HttpProxy:
    """One request and its answer.

    ``started`` means that the answer is on its way. If it breaks off then, it is left incomplete,
    so that it does not pass for a whole one.
    """

    def __init__(self, receive: Any, send: Any) -> None:
        self._receive, self._send = receive, send
        self._listener: asyncio.Task[None] | None = None
        self._received = 0
        self.started = False

    async def run(
        self, request: GatewayRequest, upstream: Upstream, token: str, connection: Connection
    ) -> None:
        """Pass the request on and the answer back.

        Raises `aiohttp.ClientError` or `OSError` if the server fails (`ClientResponseError` if HTTP
        does not allow its answer), `InvalidStatus` if its status is below 200, which would turn the
        connection into a tunnel, or above 599, `HeadersTooLarge`, and `HeadTooLarge` or
        `BodyTooLarge` for a request that the server would not read.
        """
        fields = to_notebook(request.headers, token)
        check_size(request.target, fields)
        if int(request.header(b"content-length") or 0) > MAX_BODY:
            raise BodyTooLarge
        body = None
        if b"content-length" in request.header_map or b"transfer-encoding" in request.header_map:
            body = self._body(connection)
        else:
            self._watch_disconnect(connection)
        try:
            async with upstream.client.request(
                request.method,
                upstream.url(request.target),
                headers=fields,
                data=body,
                allow_redirects=False,
            ) as response:
                await self._send_response(request, response)
        except ClientError as error:
            if self._received > MAX_BODY:
                raise BodyTooLarge from error
            raise
        finally:
            if self._listener:
                self._listener.cancel()

    async def _send_response(self, request: GatewayRequest, response: ClientResponse) -> None:
        if not 200 <= response.status < 600:
            response.close()
            raise InvalidStatus
        if sum(len(name) + len(text) for name, text in response.raw_headers) > MAX_HEADER_BYTES:
            response.close()
            raise HeadersTooLarge
        self.started = True
        headers = from_notebook(response.raw_headers, request.path, request.header(b"host"))
        onward = for_origin(headers, request)
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
            piece = message.get("body", b"")
            self._received += len(piece)
            if self._received > MAX_BODY:
                raise BodyTooLarge
            yield piece
            more = message.get("more_body", False)
        self._watch_disconnect(connection)

    def _watch_disconnect(self, connection: Connection) -> None:
        """Break off if the visitor leaves before the answer is there."""
        self._listener = asyncio.create_task(self._wait_for_disconnect(connection))

    async def _wait_for_disconnect(self, connection: Connection) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        connection.cancel()
