"""Limits of a request's head, and the answers to one that exceeds them: pure functions.

They apply to requests and to WebSocket upgrades alike, before anything asks who sent them. The
pages are made here because Django never sees these requests.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from html import escape

MAX_BYTES = 65536
"""Request line and headers together; `deploy/nginx` and the notebooks' servers accept as much."""
MAX_LINES = 256
SECONDS = 20.0
"""Time from the first byte of a head to the last."""
LARGE_COOKIES = MAX_BYTES // 4
"""Bytes beyond which the cookies are what makes a head too large."""
CLEAR = (b"clear-site-data", b'"cookies"')
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
    "Your browser sent more cookies than this site takes; an application in a notebook may have set"
    " them. The site has just asked your browser to delete its cookies. Open this page again, and"
    " sign in. If you see this page once more, delete the cookies and data of this address in your"
    " browser's settings, under privacy.",
)
TOO_LONG = Refusal(
    414,
    "URI Too Long",
    "request.address-too-long",
    "The address of this request is longer than 64 KB. Send what it holds in the body instead.",
)
TOO_LATE = Refusal(
    408,
    "Request Timeout",
    "request.timeout",
    "The headers of this request did not arrive within 20 seconds. Send it again.",
)
INVALID = Refusal(400, "Bad Request", "request.invalid", "This is not a valid HTTP request.")


def is_beyond(target: bytes, headers: Collection[tuple[bytes, bytes]]) -> bool:
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


def answer(
    refusal: Refusal, head: bytes = b"", default: Iterable[tuple[bytes, bytes]] = ()
) -> bytes:
    """Return a whole answer, after which the connection closes.

    It is JSON below ``/api/``, otherwise a page. ``default`` are the server's own headers.
    """
    target = head.split(b" ", 2)[1:2]
    is_api = bool(target) and target[0].startswith(b"/api/")
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
        headers.append(CLEAR)
    start = f"HTTP/1.1 {refusal.status} {refusal.phrase}\r\n".encode()
    return start + b"".join(b"%b: %b\r\n" % field for field in headers) + b"\r\n" + body


def _object(refusal: Refusal) -> bytes:
    return json.dumps({"code": refusal.code, "detail": refusal.detail}).encode()


def _page(refusal: Refusal) -> bytes:
    title, detail = escape(refusal.phrase), escape(refusal.detail)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"</head><body><h1>{title}</h1><p>{detail}</p>"
        f"<p>Error {refusal.status}, {refusal.code}</p></body></html>\n"
    ).encode()
