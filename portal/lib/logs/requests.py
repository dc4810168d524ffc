"""Bind references to the log lines of requests and tasks.

`RequestsMiddleware` is the outermost layer in `portal.asgi`, around portal and gateway alike. It
gives every request a reference, which stands in all its log lines and in the answer as
``X-Reference``. When an answer begins and when it has ended, it calls those who count and those who
log.

`PersonMiddleware` is middleware: it binds the number of the person to the log lines, and notes
which page the request is for. The person is looked up only once something reads ``request.user``,
so a page that does not need them makes no query.

`connect_task_signals` does the same for tasks, by the queue's own signals, so that no task can
forget it. A task's lines say which rows it is about: an argument ``session_id`` becomes the field
``session``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from inspect import signature
from time import monotonic
from typing import Any

from django.contrib.auth import get_user
from django.http import HttpRequest
from django.utils.deprecation import MiddlewareMixin
from django.utils.functional import SimpleLazyObject
from django_q.signals import post_execute_in_worker, pre_execute

from . import context

log = logging.getLogger(__name__)

HEADER = b"x-reference"
NOTEBOOK, OTHER = "notebook", "other"
"""Routes for requests that match no address of the portal: notebooks' hosts, and all others."""
RESPONSE_STARTS = frozenset(
    {"http.response.start", "websocket.http.response.start", "websocket.accept"}
)
OPENED, REFUSED, CLIENT_LEFT, FAILED = 101, 403, 499, 500
"""``CLIENT_LEFT``: the client left before the answer, which is no error of ours."""


@dataclass
class RequestTrace:
    """One request or WebSocket.

    ``kind`` is ``http`` or ``websocket``. ``route`` is the name of the URL pattern, one of a fixed
    number. ``status`` is 0 until the answer begins, which is after ``seconds``.
    """

    kind: str
    method: str
    began: float
    route: str = OTHER
    status: int = 0
    seconds: float = 0.0

    def mark_started(self, status: int) -> None:
        """Note that the answer begins now; only the first call counts."""
        if not self.status:
            self.status, self.seconds = status, monotonic() - self.began

    @property
    def is_open_socket(self) -> bool:
        """Return whether it is a WebSocket whose handshake was accepted."""
        return self.status == OPENED


RequestListener = Callable[[RequestTrace], None]
_current: ContextVar[RequestTrace | None] = ContextVar("request_trace", default=None)


def current_trace() -> RequestTrace | None:
    """Return the request that is being answered here, or None outside of one."""
    return _current.get()


class RequestsMiddleware:
    """ASGI middleware that gives each request a reference and reports its answer.

    It calls each of ``on_start`` when an answer begins, and each of ``on_end`` when it has ended.
    """

    def __init__(
        self,
        inner: Any,
        *,
        on_start: Iterable[RequestListener] = (),
        on_end: Iterable[RequestListener] = (),
    ) -> None:
        self._inner, self._on_start, self._on_end = inner, tuple(on_start), tuple(on_end)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Trace the request or socket while the inner application answers it.

        An application that raises counts as an answer 500, none at all as a client that left.
        """
        if scope["type"] not in {"http", "websocket"}:
            await self._inner(scope, receive, send)
            return
        trace = RequestTrace(scope["type"], scope.get("method", "GET"), monotonic())
        with context.log_scope() as reference:
            _current.set(trace)
            try:
                await self._inner(scope, receive, self._wrap_send(send, trace, reference))
            except Exception:
                trace.mark_started(FAILED)
                raise
            finally:
                trace.mark_started(CLIENT_LEFT)
                _notify(self._on_end, trace)

    def _wrap_send(self, send: Any, trace: RequestTrace, reference: str) -> Any:
        mark = (HEADER, reference.encode())

        async def marked(message: Any) -> None:
            if message["type"] in RESPONSE_STARTS:
                others = [each for each in message.get("headers", ()) if each[0].lower() != HEADER]
                message = {**message, "headers": [*others, mark]}
                self._start(trace, message.get("status", OPENED))
            elif message["type"] == "websocket.close":
                self._start(trace, REFUSED)
            await send(message)

        return marked

    def _start(self, trace: RequestTrace, status: int) -> None:
        if not trace.status:
            trace.mark_started(status)
            _notify(self._on_start, trace)


def log_request(trace: RequestTrace) -> None:
    """Log a request that has ended; leave out its path and query, which are personal."""
    figures = {"method": trace.method, "route": trace.route, "status": trace.status}
    figures["milliseconds"] = round(trace.seconds * 1000)
    log.info("answered %s", trace.kind, extra=figures)


def _notify(listeners: tuple[RequestListener, ...], trace: RequestTrace) -> None:
    for listener in listeners:
        listener(trace)


class PersonMiddleware(MiddlewareMixin):
    """Middleware that binds the person and the page to the request's log lines."""

    def process_request(self, request: HttpRequest) -> None:
        """Have the person bound to the log lines as soon as something asks who they are."""
        request.user = SimpleLazyObject(lambda: _bind_user(request))  # type: ignore[assignment]

    def process_view(self, request: HttpRequest, *_view: Any) -> None:
        """Note the name of the URL pattern as the request's route."""
        trace = current_trace()
        if trace and request.resolver_match:
            trace.route = request.resolver_match.view_name or trace.route


def _bind_user(request: HttpRequest) -> Any:
    user = get_user(request)
    if user.is_authenticated:
        context.bind_fields(user=user.pk)
    return user


NUMBER = "_id"


def connect_task_signals() -> None:
    """Bind references to all tasks of this process from now on."""
    pre_execute.connect(_begin, dispatch_uid="portal.lib.logs")
    post_execute_in_worker.connect(_end, dispatch_uid="portal.lib.logs")


def _begin(sender: Any, func: Callable[..., Any] | None, task: Mapping[str, Any], **_: Any) -> None:
    numbers = _numbers(func, task["args"]) if func else {}
    context.begin_log_scope(task=str(task["func"]), **numbers)


def _end(**_: Any) -> None:
    context.end_log_scope()


def _numbers(func: Callable[..., Any], arguments: tuple[Any, ...]) -> dict[str, Any]:
    names = signature(func).parameters
    given = zip(names, arguments, strict=False)
    return {name.removesuffix(NUMBER): value for name, value in given if name.endswith(NUMBER)}
