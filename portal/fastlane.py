"""The fast lanes: API calls that wait for nothing but the database, answered one after another.

Threads that compute at the same time take the interpreter from each other, which made fifty callers
slower than one. Calls in the pool's threads may wait for anything: git, an identity provider, an
upload. Those in a lane do not, so one thread is enough. If one takes long all the same, the calls
behind it go to the pool (`portal.handler`).

Calls that read and calls that change something have a lane each, since a change may wait for the
database's lock. Changes pass all of the middleware: launches made in turn are accepted sooner than
launches made at the same time.

A view is marked by `sessions.api.endpoint`, and its caller sends an API token. So, for reading,
there is no session, no form and no page, and little is left of the middleware. The database is
asked who the caller is for each call, as everywhere.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache, partial
from queue import SimpleQueue
from threading import Lock, Thread
from time import monotonic
from typing import Any, TypeVar, cast

from csp.middleware import CSPMiddleware
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.exception import convert_exception_to_response
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.middleware.clickjacking import XFrameOptionsMiddleware
from django.middleware.locale import LocaleMiddleware
from django.middleware.security import SecurityMiddleware
from django.urls import ResolverMatch, resolve
from django.utils.translation import get_language

from keys.authentication import bearer_token
from portal.lib.logs.requests import current_trace
from portal.server.bodies import RequestGuard
from sessions.api.endpoint import is_quick

Answer = Callable[[], HttpResponseBase]
Result = TypeVar("Result")
MAX_MATCHES = 4096
PATIENCE = 0.25
"""Seconds that a call that reads waits in the lane for others."""
PATIENCE_TO_CHANGE = 1.0
"""Like `PATIENCE` for a call that changes something: another may wait for the database's lock."""
BATCH_SECONDS = 0.01


class HeldUp(Exception):
    """Raised for a call that has waited in the lane for too long, and was not begun there."""


@dataclass
class _Call:
    act: Callable[[], Any]
    future: asyncio.Future[Any]
    begun: Lock = field(default_factory=Lock)
    result: Any = None
    error: BaseException | None = None

    def run(self) -> None:
        try:
            self.result = self.act()
        except BaseException as error:  # noqa: BLE001 -- raised where the answer is awaited
            self.error = error


class Lane:
    """One thread that answers calls in the order in which they come.

    The thread ends when nobody has the lane any more.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()
        self._patience = patience
        Thread(target=_answer, args=[self._calls], name="fast lane", daemon=True).start()
        weakref.finalize(self, self._calls.put, None)

    async def run(self, act: Callable[[], Result]) -> Result:
        """Return what ``act`` returns in the thread. Raises `HeldUp`."""
        loop = asyncio.get_running_loop()
        call = _Call(act, loop.create_future())
        timer = loop.call_later(self._patience, _withdraw, call)
        self._calls.put(call)
        try:
            result: Result = await call.future
            return result
        finally:
            timer.cancel()


def _answer(calls: SimpleQueue[_Call | None]) -> None:
    """Answer calls until there is None.

    Several answers are handed over at once: each change between the event loop and the thread takes
    about as long as an answer.
    """
    call = calls.get()
    while call is not None:
        until, answered = monotonic() + BATCH_SECONDS, []
        while call is not None:
            if call.begun.acquire(blocking=False):
                call.run()
                answered.append(call)
            if monotonic() > until or calls.empty():
                break
            call = calls.get()
        if answered:
            with suppress(RuntimeError):  # the loop is closed
                answered[0].future.get_loop().call_soon_threadsafe(_deliver, answered)
        if call is not None:
            call = calls.get()


def _withdraw(call: _Call) -> None:
    """Take a call back that was not begun."""
    if call.begun.acquire(blocking=False) and not call.future.done():
        call.future.set_exception(HeldUp())


def _deliver(calls: list[_Call]) -> None:
    for call in calls:
        if call.future.done():  # the client has left
            continue
        if call.error:
            call.future.set_exception(call.error)
        else:
            call.future.set_result(call.result)


class FastLane(ASGIHandler):
    """Django's handler with only what calls of the lane need of the middleware."""

    def load_middleware(self, is_async: bool = False) -> None:
        answer: Any = convert_exception_to_response(self._call_view)
        if len(settings.LANGUAGES) > 1:
            answer = convert_exception_to_response(LocaleMiddleware(answer))
        answer = convert_exception_to_response(RequestGuard(answer))
        self._middleware_chain: Any = partial(self._with_headers, answer)
        self._headers: dict[bool, dict[str, str]] = {}

    def _call_view(self, request: HttpRequest) -> HttpResponseBase:
        request.get_host()  # refuses another host, as CommonMiddleware does
        match = cast(ResolverMatch, request.resolver_match)
        if trace := current_trace():
            trace.route = match.view_name or trace.route
        response: Any = match.func(request, *match.args, **match.kwargs)
        return cast(
            HttpResponseBase, response.render() if hasattr(response, "render") else response
        )

    def _with_headers(self, answer: Any, request: HttpRequest) -> HttpResponseBase:
        response: HttpResponse = answer(request)
        response.headers.setdefault("Content-Length", str(len(response.content)))
        is_secure = request.is_secure()
        if is_secure not in self._headers:
            self._headers[is_secure] = _constant_headers(request)
        for name, value in self._headers[is_secure].items():
            response.headers.setdefault(name, value)
        return response


def _constant_headers(request: HttpRequest) -> dict[str, str]:
    """Return the headers that are the same for every answer, as their middleware sets them."""
    answer: Any = lambda _request: HttpResponse()  # noqa: E731
    for middleware in (XFrameOptionsMiddleware, CSPMiddleware, SecurityMiddleware):
        answer = middleware(answer)
    response: HttpResponse = answer(request)
    del response.headers["Content-Type"]
    return {"Content-Language": get_language(), **response.headers}


def match_of(scope: Any) -> ResolverMatch | None:
    """Return the view of a request for the fast lane; None if it is not for it."""
    if not scope["path"].startswith("/api/"):
        return None
    held = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(held) != 1 or not bearer_token(held[0].decode("latin-1")):
        return None
    match = _match(scope["path"])
    return match if match and is_quick(match.func, scope["method"]) else None


@lru_cache(MAX_MATCHES)
def _match(path: str) -> ResolverMatch | None:
    try:
        return resolve(path)
    except Http404:
        return None
