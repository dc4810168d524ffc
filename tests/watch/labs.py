"""Stand-ins for notebooks' servers, whose kernels do what a test tells them."""

from __future__ import annotations

import asyncio
import itertools
import threading
from types import TracebackType
from typing import Self

from aiohttp import web

TOKEN = "secret"


class Lab:
    """A server whose kernels have these states, one after the other each time that one is asked.

    "gone" is a kernel that is not there any more. ``status`` answers each start of a kernel.
    """

    def __init__(self, *states: str, status: int = 201) -> None:
        self.states = states or ("starting", "idle")
        self.status = status
        self.address = ""
        self.started: list[str] = []
        self.ended: list[str] = []
        self.tokens: set[str | None] = set()
        self.greeted = 0
        self._asked = itertools.count()

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._note])
        app.router.add_post("/api/sessions", self._start)
        app.router.add_delete("/api/sessions/{id}", self._end)
        app.router.add_post("/api/kernels", self._start)
        app.router.add_delete("/api/kernels/{id}", self._end)
        app.router.add_get("/api/kernels/{id}", self._tell)
        app.router.add_get("/api/kernels/{id}/channels", self._greet)
        return app

    @web.middleware
    async def _note(self, request: web.Request, handler: object) -> web.StreamResponse:
        self.tokens.add(request.headers.get("Authorization"))
        response: web.StreamResponse = await handler(request)  # type: ignore[operator]
        return response

    async def _start(self, request: web.Request) -> web.Response:
        path = (await request.json())["path"]
        if path not in self.started[len(self.ended) :]:
            self.started.append(path)
        number = f"kernel-{len(self.started)}"
        found = {"id": number, "kernel": {"id": number}}
        if request.path.endswith("/kernels"):
            found = {"id": number}
        elif ".." in path:  # as Jupyter's contents do
            return web.json_response({"message": "outside root contents directory"}, status=500)
        return web.json_response(found, status=self.status)

    async def _end(self, request: web.Request) -> web.Response:
        self.ended.append(request.match_info["id"])
        return web.Response(status=204)

    async def _tell(self, request: web.Request) -> web.Response:
        state = self.states[min(next(self._asked), len(self.states) - 1)]
        if state == "silent":
            await asyncio.sleep(60)
        status = 404 if state == "gone" else 200
        return web.json_response({"execution_state": state}, status=status)

    async def _greet(self, request: web.Request) -> web.StreamResponse:
        self.greeted += 1
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.receive()
        return socket


class Redirecting(Lab):
    """A server that sends everybody on to another one."""

    def __init__(self, other: Lab) -> None:
        super().__init__()
        self.other = other

    async def _start(self, request: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect(f"{self.other.address}/api/sessions")


class Raw(Lab):
    """A server that answers everything with the same bytes."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.body = body

    async def _start(self, request: web.Request) -> web.Response:
        return web.Response(body=self.body, status=201)


class Labs:
    """Any number of servers, in a thread of their own."""

    def __init__(self) -> None:
        self._runners: list[web.AppRunner] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def add(self, lab: Lab) -> Lab:
        """Start a server; its address is set then."""
        asyncio.run_coroutine_threadsafe(self._serve(lab), self._loop).result(10)
        return lab

    async def _serve(self, lab: Lab) -> None:
        runner = web.AppRunner(lab.app(), shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self._runners.append(runner)
        lab.address = "http://{}:{}".format(*runner.addresses[0])

    async def _close(self) -> None:
        for runner in self._runners:
            await runner.cleanup()
