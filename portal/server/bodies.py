"""Bound request bodies, and refuse requests that no page or API call can use.

Bounds of the bodies that the portal's own addresses take; notebooks' hosts take any.

A body is bounded by the length it announces and by what comes, before anything is kept, and read
into memory: nothing of a stranger's reaches the disk. Nobody uploads files here, so little is
enough. Refused is by `Bounds`, so that the answer has the same headers as any other.

Refuses what no page and no call of the API has a use for, before anything looks at it.

PostgreSQL stores no NUL, and raises wherever one gets as far as a query: from the path, the
query string, or a cookie, in which ``\000`` stands for one. What the API is asked for in a query
string, it refuses itself, with a code for each. And only UTF-8 comes from browsers: whatever
else a header claims would have Python look for codecs of that name.
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

MOST = 1024 * 1024
MORE = {"/admin/": 2621440}
"""Bytes, by the beginning of an address: there, thousands of rows can be ticked at once."""
SECONDS = 60.0
LINGER = 2.0
"""Seconds in which whoever is still sending can read the answer; then the connection is closed."""
REFUSED = "bindery.refused"
"""In the scope of a request whose body was not read to its end: the status to answer with."""


def most(path: str) -> int:
    """Return how many bytes may be sent to this address."""
    return next((size for start, size in MORE.items() if path.startswith(start)), MOST)


async def read(scope: Any, receive: Any) -> BytesIO:
    """Return the body. Of one that is too large or too slow nothing is kept, and the scope says so.

    Raises `RequestAborted` when the visitor leaves before its end.
    """
    body = BytesIO()
    try:
        async with asyncio.timeout(SECONDS):
            if announced(scope) > most(scope["path"]) or not await _read(scope, receive, body):
                scope[REFUSED] = 413
    except TimeoutError:
        scope[REFUSED] = 408
    return BytesIO() if REFUSED in scope else body


def announced(scope: Any) -> int:
    """Return what Content-Length says; the server has made sure that it is a number."""
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    return max((int(each) for each in lengths if each.isdigit()), default=0)


async def _read(scope: Any, receive: Any, body: BytesIO) -> bool:
    """Fill ``body``; False once it is too large."""
    bound, more = most(scope["path"]), True
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
    """Read on for a moment and keep nothing, for a visitor who is still sending."""
    try:
        async with asyncio.timeout(LINGER):
            while (message := await receive())["type"] == "http.request":
                if not message.get("more_body", False):
                    return
    except TimeoutError:
        return


class Bounds:
    """Middleware that answers a request whose body was refused, before anybody else sees it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        status = getattr(request, "scope", {}).get(REFUSED)
        return _refusal(request, status) if status else self._get_response(request)


def _refusal(request: HttpRequest, status: int) -> HttpResponse:
    if status == 413:
        code, title = "request.body-too-large", _("This is too much at once")
        text = _(
            "What was sent is larger than %(size)d KB, which is the most that this address takes."
        )
        text %= {"size": most(request.path) // 1024}
    else:
        code, title = "request.timeout", _("This took too long")
        text = _("What was sent did not arrive within %(seconds)d seconds. Try again.")
        text %= {"seconds": SECONDS}
    reference = context.reference()
    response: HttpResponse
    if request.path.startswith("/api/"):
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
    """Middleware, before all that reads of the request; the answer is `handler400`'s."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._answer = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if any(NUL in text for text in _texts(request)):
            raise BadRequest("a NUL in path, query or cookie")
        if request.encoding is not None:
            request.encoding = "utf-8"
        return self._answer(request)


def _texts(request: HttpRequest) -> tuple[str, ...]:
    is_api = request.path_info.startswith("/api/")
    query = "" if is_api else unquote(request.META.get("QUERY_STRING", ""))
    return (request.path_info, query, *request.COOKIES, *request.COOKIES.values())
