"""Ignore and delete session cookies that another application planted on a domain above its own.

Over https, the names of our cookies begin with ``__Host-``, and a browser accepts such a cookie
from its own host only. Over http, any host below a domain can set a cookie for the whole domain,
and the browser then sends two of one name. There is no telling which is the right one, so neither
counts, and the domain's cookie is deleted: the next request has only the right one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings

from portal.lib.logs.requests import BEGINS

Headers = list[tuple[bytes, bytes]]

MOST_PARTS = 8
"""Most parts of a path that a cookie may have been planted for."""


def is_doubtful(headers: Headers, name: str) -> bool:
    """Return whether the browser sent cookies of this name with different values."""
    return len({value for each, value in _cookies(headers) if each == name.encode()}) > 1


def without_doubtful(headers: Headers) -> tuple[Headers, bool]:
    """Return the headers without conflicting session cookies, and whether there were any."""
    if not is_doubtful(headers, settings.SESSION_COOKIE_NAME):
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


def deleting(name: str, host: str, path: str) -> Headers:
    """Return headers that delete the cookies of this name that are set for a whole domain.

    They cover all domains that the host is in and all paths above this one. A cookie of the host
    alone stays.
    """
    labels, parts = host.split("."), [part for part in path.split("/") if part][:MOST_PARTS]
    domains = [".".join(labels[at:]) for at in range(max(1, len(labels) - 1))]
    starts = ["/" + "/".join(parts[:count]) for count in range(len(parts) + 1)]
    paths = {*starts, *(f"{start}/" for start in starts[1:])}
    return [
        (b"set-cookie", f"{name}=; Max-Age=0; Domain={domain}; Path={each}".encode())
        for domain in domains
        for each in sorted(paths)
        if each.isascii() and each.isprintable() and ";" not in each
    ]


class OneSession:
    """ASGI middleware for the portal's own pages and sockets: drops conflicting session cookies."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        headers, doubtful = without_doubtful(scope["headers"])
        if not doubtful:
            await self._inner(scope, receive, send)
            return

        async def deleted(message: Any) -> None:
            if message["type"] in BEGINS:
                host = urlsplit(settings.PORTAL_URL).hostname or ""
                gone = deleting(settings.SESSION_COOKIE_NAME, host, scope["path"])
                fields = [*message.get("headers", ()), *gone]
                message = {**message, "headers": fields}
            await send(message)

        await self._inner({**scope, "headers": headers}, receive, deleted)
