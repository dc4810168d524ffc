"""Limit a request's head, and ignore session cookies that another application planted.

The limits, and the answers to a head that exceeds them, are pure functions. They apply to requests
and to WebSocket upgrades alike, before anything asks who sent them. The pages are made here because
Django never sees these requests.

A cookie may be planted on a domain above the portal's own. Over https, the names of our cookies
begin with ``__Host-``, and a browser accepts such a cookie from its own host only. Over http, any
host below a domain can set a cookie for the whole domain, and the browser then sends two of one
name. There is no telling which is the right one, so neither counts, and the domain's cookie is
deleted: the next request has only the right one.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from html import escape
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from portal.lib.logs.requests import RESPONSE_STARTS

MAX_BYTES = 65536
"""Request line and headers together; `deploy/nginx` and the notebooks' servers accept as much."""
MAX_LINES = 256
SECONDS = 20.0
"""Time from the first byte of a head to the last."""
LARGE_COOKIES = MAX_BYTES // 4
"""Bytes beyond which the cookies are what makes a head too large."""
CLEAR_COOKIES = (b"clear-site-data", b'"cookies"')
"""A header: the browser deletes the cookies of the portal's domain and of all hosts below it."""


@dataclass(frozen=True)
class Refusal:
    """The answer to a request that is refused."""

    status: int
    phrase: str
    code: str
    detail: str


TOO_LARGE = Refusal(
    431,
    "Request Header Fields Too Large",
    "request.head-too-large",
    "The headers of this request are larger than 64 KB, or more than 256."
    " Send fewer or shorter headers.",
)
TOO_MANY_COOKIES = Refusal(
    431,
    "Request Header Fields Too Large",
    "request.cookies-too-large",
    "Your browser sent more cookies than this site accepts; an application in a notebook "
    "may have set them. The site has just asked your browser to delete its cookies. Open "
    "this page again and sign in. If you see this page once more, delete the cookies and "
    "data of this address in your browser's settings, under privacy.",
)
TOO_LONG = Refusal(
    414,
    "URI Too Long",
    "request.address-too-long",
    "The address of this request is longer than 64 KB. Send its data in the body instead.",
)
TOO_LATE = Refusal(
    408,
    "Request Timeout",
    "request.timeout",
    "The headers of this request did not arrive within 20 seconds. Send it again.",
)
API_PATHS = ("/api/", "/build/")
"""Addresses below these get JSON, and the API throttles them itself."""
INVALID = Refusal(400, "Bad Request", "request.invalid", "This is not a valid HTTP request.")


def exceeds_head_limits(target: bytes, headers: Collection[tuple[bytes, bytes]]) -> bool:
    """Return whether a complete head is too large."""
    size = len(target) + sum([len(name) + len(value) + 4 for name, value in headers])
    return size > MAX_BYTES or len(headers) > MAX_LINES


def too_large(head: bytes) -> Refusal:
    """Return why a head is too large, judging by the part that was read."""
    line, *fields = head.split(b"\r\n")
    if not fields:
        return TOO_LONG
    cookies = sum(len(field) for field in fields if field[:7].lower() == b"cookie:")
    if cookies > LARGE_COOKIES:
        return TOO_MANY_COOKIES
    return TOO_LONG if len(line) > MAX_BYTES // 2 else TOO_LARGE


def response_bytes(
    refusal: Refusal, head: bytes = b"", default: Iterable[tuple[bytes, bytes]] = ()
) -> bytes:
    """Return a whole answer, after which the connection closes.

    It is JSON below `API_PATHS`, otherwise a page. ``default`` are the server's own headers.
    """
    target = head.split(b" ", 2)[1:2]
    is_api = bool(target) and target[0].decode("latin-1").startswith(API_PATHS)
    body = _object(refusal) if is_api else _page(refusal)
    headers = [
        *default,
        (b"content-type", b"application/json" if is_api else b"text/html; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
    ]
    if refusal is TOO_MANY_COOKIES:
        headers.append(CLEAR_COOKIES)
    start = f"HTTP/1.1 {refusal.status} {refusal.phrase}\r\n".encode()
    return start + b"".join(b"%b: %b\r\n" % field for field in headers) + b"\r\n" + body


def _object(refusal: Refusal) -> bytes:
    # JupyterLab shows people what is in `message`.
    detail = {"detail": refusal.detail, "message": refusal.detail}
    return json.dumps({"code": refusal.code, **detail}).encode()


def _page(refusal: Refusal) -> bytes:
    title, detail = escape(refusal.phrase), escape(refusal.detail)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"</head><body><h1>{title}</h1><p>{detail}</p>"
        f"<p>Error {refusal.status}, {refusal.code}</p></body></html>\n"
    ).encode()


Headers = list[tuple[bytes, bytes]]

MAX_PATH_PARTS = 8
"""Most parts of a path that a cookie may have been planted for."""


def is_conflicting(headers: Headers, name: str) -> bool:
    """Return whether the browser sent cookies of this name with different values."""
    return len({value for each, value in _cookies(headers) if each == name.encode()}) > 1


def drop_conflicting(headers: Headers) -> tuple[Headers, bool]:
    """Return the headers without conflicting session cookies, and whether there were any."""
    if not is_conflicting(headers, settings.SESSION_COOKIE_NAME):
        return headers, False
    name = settings.SESSION_COOKIE_NAME.encode()
    others = [(field, value) for field, value in headers if field != b"cookie"]
    rest = b"; ".join(each + b"=" + value for each, value in _cookies(headers) if each != name)
    return [*others, *([(b"cookie", rest)] if rest else [])], True


def _cookies(headers: Headers) -> Iterator[tuple[bytes, bytes]]:
    for field, cookies in headers:
        if field == b"cookie":
            for each in cookies.split(b";"):
                name, _equals, value = each.strip().partition(b"=")
                yield name, value


def deletion_headers(name: str, host: str, path: str) -> Headers:
    """Return headers that delete the cookies of this name that are set for a whole domain.

    They cover all domains that the host is in and all paths above this one. A cookie of the host
    alone stays.
    """
    labels, parts = host.split("."), [part for part in path.split("/") if part][:MAX_PATH_PARTS]
    domains = [".".join(labels[at:]) for at in range(max(1, len(labels) - 1))]
    starts = ["/" + "/".join(parts[:count]) for count in range(len(parts) + 1)]
    paths = {*starts, *(f"{start}/" for start in starts[1:])}
    return [
        (b"set-cookie", f"{name}=; Max-Age=0; Domain={domain}; Path={each}".encode())
        for domain in domains
        for each in sorted(paths)
        if each.isascii() and each.isprintable() and ";" not in each
    ]


class SessionCookieFilter:
    """ASGI middleware for the portal's own pages and sockets: drops conflicting session cookies."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Pass it on without conflicting cookies, and have the answer delete these."""
        headers, conflicting = drop_conflicting(scope["headers"])
        if not conflicting:
            await self._inner(scope, receive, send)
            return

        async def deleted(message: Any) -> None:
            if message["type"] in RESPONSE_STARTS:
                host = urlsplit(settings.PORTAL_URL).hostname or ""
                gone = deletion_headers(settings.SESSION_COOKIE_NAME, host, scope["path"])
                fields = [*message.get("headers", ()), *gone]
                message = {**message, "headers": fields}
            await send(message)

        await self._inner({**scope, "headers": headers}, receive, deleted)
