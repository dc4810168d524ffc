r"""Limit request bodies, and refuse requests that no page or API call can use.

The limits are for the portal's own addresses; notebooks' hosts take any body. A body is checked by
its announced length and again while it arrives, before anything is kept. It is read into memory:
nothing that a stranger sends reaches the disk. Nobody uploads files here, so the limits are low.
`BodyLimit` sends the refusal, so that the answer has the same headers as any other.

`RequestGuard` refuses requests before anything else looks at them. PostgreSQL stores no NUL, and
raises wherever one gets as far as a query: from the path, the query string, or a cookie, in which
``\000`` stands for one. The API checks its query strings itself, with a code for each error. And
browsers send only UTF-8: any other charset in a header would have Python look for a codec of that
name.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from io import BytesIO
from typing import Any
from urllib.parse import unquote

from django.core.exceptions import BadRequest, RequestAborted
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.template import loader
from django.utils.translation import gettext as _

from portal.lib.logs import context

from .heads import API_PATHS

MAX_BYTES = 1024 * 1024
MAX_BYTES_BY_PATH = {"/admin/": 2621440}
"""Larger limits in bytes, by the start of a path: the admin can tick thousands of rows."""
SECONDS = 60.0
LINGER = 2.0
"""Seconds in which a client that still sends can read the answer; then the connection closes."""
REFUSED = "bindery.refused"
"""Key in the scope of a request whose body was not read to its end; the value is the status."""


def max_bytes(path: str) -> int:
    """Return how many bytes may be sent to this path."""
    return next(
        (size for start, size in MAX_BYTES_BY_PATH.items() if path.startswith(start)), MAX_BYTES
    )


async def read(scope: Any, receive: Any) -> BytesIO:
    """Return the body; empty if it is too large or too slow, with the status in ``scope[REFUSED]``.

    Raises `RequestAborted` if the client leaves before its end.
    """
    body = BytesIO()
    try:
        async with asyncio.timeout(SECONDS):
            if content_length(scope) > max_bytes(scope["path"]) or not await _read(
                scope, receive, body
            ):
                scope[REFUSED] = 413
    except TimeoutError:
        scope[REFUSED] = 408
    return BytesIO() if REFUSED in scope else body


def content_length(scope: Any) -> int:
    """Return the value of Content-Length; the server has made sure that it is a number."""
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    return max((int(each) for each in lengths if each.isdigit()), default=0)


async def _read(scope: Any, receive: Any, body: BytesIO) -> bool:
    """Fill ``body``; return False once it is too large."""
    bound, more = max_bytes(scope["path"]), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestAborted
        body.write(message.get("body", b""))
        if body.tell() > bound:
            return False
        more = message.get("more_body", False)
    return True


async def linger(receive: Any) -> None:
    """Read on for a moment and keep nothing, for a client that is still sending."""
    try:
        async with asyncio.timeout(LINGER):
            while (message := await receive())["type"] == "http.request":
                if not message.get("more_body", False):
                    return
    except TimeoutError:
        return


class BodyLimit:
    """Middleware that answers a request whose body was refused, before anything else sees it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request; without a view if its body was refused: 413 (size) or 408 (time)."""
        status = getattr(request, "scope", {}).get(REFUSED)
        return _refusal(request, status) if status else self._get_response(request)


def _refusal(request: HttpRequest, status: int) -> HttpResponse:
    if status == 413:
        code, title = "request.body-too-large", _("This is too large")
        text = _("The request is larger than %(size)d KB, the most that this address accepts.")
        text %= {"size": max_bytes(request.path) // 1024}
    else:
        code, title = "request.timeout", _("This took too long")
        text = _("The request did not arrive within %(seconds)d seconds. Try again.")
        text %= {"seconds": SECONDS}
    reference = context.reference()
    response: HttpResponse
    if request.path.startswith(API_PATHS):
        body = {"code": code, "detail": text, "reference": reference}
        response = JsonResponse(body, status=status)
    else:
        about = {"title": title, "text": text, "code": code, "reference": reference}
        response = HttpResponse(loader.render_to_string("503.html", about), status=status)
    response.headers["Cache-Control"] = "no-store"
    response.headers["Connection"] = "close"
    response.headers["Content-Length"] = str(len(response.content))
    return response


NUL = "\0"


class RequestGuard:
    """Middleware that rejects a NUL, ahead of all that reads the request; `handler400` answers."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._answer = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer the request, read as UTF-8. Raises `BadRequest` if it has a NUL."""
        if any(NUL in text for text in _texts(request)):
            raise BadRequest("a NUL in path, query or cookie")
        if request.encoding is not None:
            request.encoding = "utf-8"
        return self._answer(request)


def _texts(request: HttpRequest) -> tuple[str, ...]:
    is_api = request.path_info.startswith("/api/")
    query = "" if is_api else unquote(request.META.get("QUERY_STRING", ""))
    return (request.path_info, query, *request.COOKIES, *request.COOKIES.values())
