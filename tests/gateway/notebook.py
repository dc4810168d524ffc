"""A stand-in for a notebook server: reports what has reached it, and misbehaves when asked."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import zlib
from pathlib import Path
from typing import Any

from aiohttp import WSMsgType, web

PIECE = b"x" * 65536
HEAD = 2 * 65536
HEADERS = [
    ("Set-Cookie", "_xsrf=1; Path=/; Domain=localhost; HttpOnly"),
    ("Set-Cookie", "bindery-8000-notebook=planted; Path=/"),
    ("Set-Cookie", "=bindery-8000=planted; Path=/"),
    ("Set-Cookie", "theme=dark"),
    ("Clear-Site-Data", '"*"'),
    ("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),
    ("Alt-Svc", 'h3="elsewhere.example:443"'),
    ("X-Accel-Redirect", "/_bindery/allowed"),
    ("X-Sendfile", "/etc/passwd"),
    ("Content-Security-Policy", "sandbox allow-scripts"),
    ("Connection", "X-Hop"),
    ("X-Hop", "1"),
    ("X-Kept", "1"),
]


class Notebook:
    """A notebook server on a Unix socket, in a thread of its own. ``seen`` lists the paths that
    were requested, ``broken_off`` those whose visitors left before the end.
    """

    def __init__(self, path: Path) -> None:
        self.address = f"unix:{path}"
        self.broken_off: list[str] = []
        self.seen: list[str] = []
        self.closed_with: list[int | None] = []
        self._path = path
        self._started, self._end = threading.Event(), asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=[self._serve()])

    def __enter__(self) -> Notebook:
        self._thread.start()
        assert self._started.wait(10)
        return self

    def __exit__(self, *args: object) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(10)
        self._loop.close()

    def forget(self) -> None:
        """Forget all requests so far."""
        self.seen.clear()
        self.broken_off.clear()

    async def _serve(self) -> None:
        app = web.Application(client_max_size=0, middlewares=[self._note])
        for path in ("/socket", "/terminals/websocket/1", "/api/kernels/1/channels"):
            app.router.add_get(path, self.socket)
        app.router.add_get("/static/headers", self.headers)
        for name in ("headers", "stream", "large", "half", "gzip", "away", "late", "never"):
            app.router.add_get(f"/{name}", getattr(self, name))
        app.router.add_route("*", "/{rest:.*}", self.echo)
        runner = web.AppRunner(
            app,
            handler_cancellation=True,
            shutdown_timeout=0.1,
            max_line_size=HEAD,
            max_field_size=HEAD,
            max_headers=512,
        )
        await runner.setup()
        await web.UnixSite(runner, str(self._path)).start()
        self._started.set()
        await self._end.wait()
        await runner.cleanup()

    @web.middleware
    async def _note(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.seen.append(request.path)
        answer: web.StreamResponse = await handler(request)
        return answer

    async def echo(self, request: web.Request) -> web.Response:
        """Describe the request: its headers, and its body by size and digest."""
        digest, size = hashlib.sha256(), 0
        try:
            async for piece in request.content.iter_any():
                digest.update(piece)
                size += len(piece)
        except BaseException:
            self.broken_off.append(request.path)
            raise
        headers = [(name.lower(), value) for name, value in request.headers.items()]
        return web.json_response(
            {
                "method": request.method,
                "target": request.raw_path,
                "headers": headers,
                "size": size,
                "digest": digest.hexdigest(),
            }
        )

    async def headers(self, request: web.Request) -> web.Response:
        response = web.Response(text="ok")
        for name, value in HEADERS:
            response.headers.add(name, value)
        return response

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Send a piece every 50 ms, for ever."""
        return await self._pour(request, b"tick\n", 0.05)

    async def large(self, request: web.Request) -> web.StreamResponse:
        """Send 64 MB, with a Content-Length."""
        response = web.StreamResponse(headers={"Content-Length": str(1024 * len(PIECE))})
        await response.prepare(request)
        for _number in range(1024):
            await response.write(PIECE)
        return response

    async def half(self, request: web.Request) -> web.StreamResponse:
        """Break down in the middle of the answer."""
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport
        request.transport.close()
        return response

    async def gzip(self, request: web.Request) -> web.Response:
        packed = zlib.compress(b"packed " * 100, wbits=31)
        return web.Response(body=packed, headers={"Content-Encoding": "gzip"})

    async def away(self, request: web.Request) -> web.Response:
        raise web.HTTPFound("http://elsewhere.example/")

    async def late(self, request: web.Request) -> web.Response:
        """Answer after a while."""
        await asyncio.sleep(0.3)
        return web.Response(text="late")

    async def never(self, request: web.Request) -> web.StreamResponse:
        """Never begin to answer."""
        try:
            await asyncio.Event().wait()
        finally:
            self.broken_off.append(request.path)
        raise AssertionError

    async def _pour(self, request: web.Request, piece: bytes, pause: float) -> Any:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(piece)
                await asyncio.sleep(pause)
        finally:
            self.broken_off.append(request.path)

    async def socket(self, request: web.Request) -> web.StreamResponse:
        """Echo every message; ``close <code>`` closes, ``headers`` returns those of the
        handshake.
        """
        if "refuse" in request.query:
            raise web.HTTPForbidden
        socket = web.WebSocketResponse(protocols=["v1.kernel"], max_msg_size=0, compress=False)
        await socket.prepare(request)
        async for message in socket:
            await self._reply(request, socket, message)
        self.closed_with.append(socket.close_code)
        return socket

    async def _reply(
        self, request: web.Request, socket: web.WebSocketResponse, message: Any
    ) -> None:
        if message.type is WSMsgType.BINARY:
            await socket.send_bytes(message.data)
        elif message.data == "headers":
            await socket.send_json(
                [[name.lower(), value] for name, value in request.headers.items()]
            )
        elif message.data.startswith("close "):
            await socket.close(code=int(message.data.split()[1]), message=b"so it is")
        elif message.data == "break down":
            assert request.transport
            request.transport.close()
        else:
            await socket.send_str(message.data)
