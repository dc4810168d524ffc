"""Django's ASGI request handler, for a site whose views are all synchronous.

Django's own handler gives each request a new thread with a new database connection, and switches
between thread and event loop for the signals, some middleware, the view and the end. Here, one of
a few long-lived threads, each with its own connection, does all of it in one go. As in Django, the
event loop writes streaming responses until they end or the client leaves.

Some API calls by token have two threads to themselves, one for those that only read the database
and one for those that change it: `portal.fastlane`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import IO, Any, cast

from asgiref.sync import sync_to_async
from django.core.exceptions import RequestAborted
from django.core.handlers.asgi import ASGIHandler, get_script_prefix
from django.core.signals import request_started
from django.db import close_old_connections
from django.http.response import HttpResponseBase, StreamingHttpResponse
from django.urls import ResolverMatch, set_script_prefix

from portal import fastlane
from portal.lib import db
from portal.lib.streaming import iterate_in_thread
from portal.server import bodies

THREADS = 32
"""Requests answered at once; others wait. Also the most database connections that a process has,
besides those of the event loop, the two lanes and the thread that writes after their answers.
"""


class PortalHandler(ASGIHandler):
    """The ASGI handler that answers each request in one thread of a pool."""

    def __init__(self) -> None:
        super().__init__()
        self._threads = ThreadPoolExecutor(THREADS, "answering")
        self._in_pool: Callable[[fastlane.Answer], Awaitable[HttpResponseBase]] = sync_to_async(
            lambda answer: answer(), thread_sensitive=False, executor=self._threads
        )
        self._lane = fastlane.Lane()
        self._changes = fastlane.Lane(fastlane.PATIENCE_TO_CHANGE)
        self._writer = ThreadPoolExecutor(1, "after answers")
        self._due: set[Hashable] = set()
        self._fast = fastlane.FastLane()
        self._fast.load_middleware()

    def load_middleware(self, is_async: bool = False) -> None:
        super().load_middleware(is_async=False)

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            body = await bodies.read(scope, receive)
        except RequestAborted:
            return
        match = fastlane.match_of(scope)
        if match and bodies.REFUSED not in scope:
            response = await self._in_lane(scope, body, match)
        else:
            response = await self._in_pool(partial(self._answer, scope, body, self))
        if bodies.REFUSED in scope and not response.streaming:
            await self.send_response(response, _closing_later(receive, send))
        elif response.streaming:
            streamed = cast(StreamingHttpResponse, response)
            if not streamed.is_async:  # a static file
                pieces = cast(Iterator[bytes], streamed.streaming_content)
                streamed.streaming_content = iterate_in_thread(pieces)
            await self._stream(streamed, receive, send)
        else:
            await self.send_response(response, send)

    async def _in_lane(self, scope: Any, body: IO[bytes], match: ResolverMatch) -> HttpResponseBase:
        """Run a call of the fast lanes there, or in the pool if it would have to wait there."""
        if scope["method"] != "GET":
            answer = partial(self._answer, scope, body, self)
            try:
                return await self._changes.run(partial(copy_context().run, answer))
            except fastlane.HeldUp:
                return await self._in_pool(answer)
        answer = partial(self._answer, scope, body, self._fast, match)
        writes: db.Writes = {}
        try:
            response = await self._lane.run(
                partial(copy_context().run, db.defer_writes, writes, answer)
            )
        except fastlane.HeldUp:
            response = await self._in_pool(answer)
        for key, write in writes.items():
            if key not in self._due:
                self._due.add(key)
                self._writer.submit(copy_context().run, self._write, key, write)
        return response

    def _write(self, key: Hashable, write: Callable[[], object]) -> None:
        close_old_connections()
        try:
            write()
        finally:
            self._due.discard(key)

    def _answer(
        self, scope: Any, body: IO[bytes], handler: ASGIHandler, match: ResolverMatch | None = None
    ) -> HttpResponseBase:
        """Return the response, closed with all that it held unless it is still to be streamed."""
        set_script_prefix(get_script_prefix(scope))
        request_started.send(sender=type(self), scope=scope)
        with body:
            request, refusal = self.create_request(scope, body)
            if request:
                request.resolver_match = match
            answer = handler.get_response(request) if request else refusal
        response = cast(HttpResponseBase, answer)
        if response.streaming:
            close_old_connections()  # the stream is not written in this thread
        else:
            response.close()
        return response

    async def _stream(
        self, response: HttpResponseBase, receive: Any, send: Callable[..., Awaitable[None]]
    ) -> None:
        writing = asyncio.create_task(self.send_response(response, send))
        leaving = asyncio.create_task(self.listen_for_disconnect(receive))
        try:
            await asyncio.wait([writing, leaving], return_when=asyncio.FIRST_COMPLETED)
        finally:
            writing.cancel()
            leaving.cancel()
            ends = await asyncio.gather(writing, leaving, return_exceptions=True)
            await sync_to_async(response.close)()
        for end in ends:
            if isinstance(end, Exception) and not isinstance(end, RequestAborted):
                raise end


def _closing_later(receive: Any, send: Any) -> Any:
    """Return a ``send`` that closes the connection a moment after the answer, not at once."""

    async def sent(message: Any) -> None:
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            await send({**message, "more_body": True})
            await bodies.linger(receive)
            message = {"type": "http.response.body"}
        await send(message)

    return sent
