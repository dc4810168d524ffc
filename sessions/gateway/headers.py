"""Filter the headers that pass through the gateway, in pure functions.

The notebook receives nothing that opens anything but itself: not our cookies, not the visitor's API
token, no claim about where the request came from. The browser receives nothing that reaches beyond
the notebook's own host. Hop-by-hop headers (RFC 9110, section 7.6.1) end here in both directions.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

from django.conf import settings
from multidict import CIMultiDict

from sessions.gateway.hosts import cookie_name, entrant_cookie_name, transport_security

Headers = Collection[tuple[bytes, bytes]]

HOP_BY_HOP = frozenset(
    {b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"expect"}
)
STRIPPED_PREFIXES = (b"x-forwarded", b"proxy-", b"sec-websocket-")
"""Prefixes of headers that claim where a request came from, address proxies, or belong to the
WebSocket handshake, which the gateway does itself.
"""
STRIPPED_FROM_REQUEST = frozenset(
    {b"authorization", b"forwarded", b"x-bindery-secret", b"x-real-ip", b"x-scheme"}
)
# The server in front sends its own Date and Server, and obeys no headers of a notebook.
STRIPPED_FROM_RESPONSE = frozenset(
    {b"clear-site-data", b"strict-transport-security", b"alt-svc", b"date", b"server"}
    | {b"x-accel-redirect", b"x-accel-expires", b"x-accel-limit-rate", b"x-accel-charset"}
    | {b"x-sendfile", b"x-lighttpd-send-file", b"x-reproxy-url"}
)
NO_FRAMING_HEADER = (b"content-security-policy", b"frame-ancestors 'self'")
REFERRER_POLICY_HEADER = (b"referrer-policy", b"same-origin")


def to_notebook(headers: Headers, token: str) -> CIMultiDict[str]:
    """Return the headers for the notebook server, with the server's own token."""
    named = _connection_options(headers)
    if any(name == b"transfer-encoding" for name, _value in headers):
        named.add(b"content-length")  # the body is framed anew, by its transfer encoding
    onward: CIMultiDict[str] = CIMultiDict()
    for name, value in headers:
        if _is_stripped(name) or (name in named and name != b"host"):
            continue
        if name == b"cookie" and not (value := _without_portal_cookies(value)):
            continue
        onward.add(name.decode("latin-1"), value.decode("utf-8", "replace"))
    onward["Authorization"] = f"token {token}"
    return onward


@lru_cache(4096)
def _is_stripped(name: bytes) -> bool:
    plain = name.replace(b"_", b"-")  # some servers treat both the same
    return plain in HOP_BY_HOP | STRIPPED_FROM_REQUEST or plain.startswith(STRIPPED_PREFIXES)


def from_notebook(headers: Headers) -> list[tuple[bytes, bytes]]:
    """Return the headers for the browser.

    Other sites may not frame the page or learn its address.
    """
    received = [(name.lower(), value) for name, value in headers]
    ends_here = HOP_BY_HOP | STRIPPED_FROM_RESPONSE | _connection_options(received)
    onward = [NO_FRAMING_HEADER, *transport_security()]
    for name, value in received:
        if name == b"set-cookie":
            onward += [(name, kept) for kept in [_host_only(value)] if kept]
        elif name not in ends_here:
            onward.append((name, value))
    if all(name != b"referrer-policy" for name, _value in onward):
        onward.append(REFERRER_POLICY_HEADER)
    return onward


def _connection_options(headers: Headers) -> set[bytes]:
    named = b",".join(value.lower() for name, value in headers if name == b"connection")
    return {word.strip() for word in named.split(b",")}


def _is_portal_cookie(cookie: bytes) -> bool:
    """Return whether a cookie is one of ours.

    That includes a cookie without a name, whose value a browser sends as if it were a name.
    """
    name = cookie.lstrip(b"= \t").partition(b"=")[0].strip()
    ours = {cookie_name(), entrant_cookie_name(), settings.SESSION_COOKIE_NAME}
    return name.decode("latin-1") in ours


def _without_portal_cookies(cookies: bytes) -> bytes:
    return b";".join(each for each in cookies.split(b";") if not _is_portal_cookie(each)).strip()


def _host_only(cookie: bytes) -> bytes:
    """Return a ``Set-Cookie`` limited to this host; empty if it would set one of our cookies."""
    if _is_portal_cookie(cookie):
        return b""
    first, *attributes = cookie.split(b";")
    names = ((each.partition(b"=")[0].strip().lower(), each) for each in attributes)
    return b";".join([first, *(each for name, each in names if name != b"domain")])
