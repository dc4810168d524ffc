"""Filter the headers of requests to a notebook and of its responses, and complete them.

The notebook receives nothing that opens anything but itself: not our cookies, not an API token of
the portal, no claim of the visitor's about where the request came from. The browser receives
nothing that reaches beyond the notebook's own host. Hop-by-hop headers (RFC 9110, section 7.6.1)
end here in both directions.

All else belongs to the application: its own ``Authorization``, cookies and redirects pass. So the
server's token travels in a header of its own as well (`sessions.jupyter_gateway`), and an
application learns the address that the browser uses (``X-Forwarded-…``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from django.conf import settings
from multidict import CIMultiDict

from keys.authentication import bearer_token
from keys.models import PREFIX
from portal.server import heads
from sessions.jupyter_gateway import TOKEN_HEADER

from .hosts import cookie_name, entrant_cookie_name, transport_security

Headers = list[tuple[bytes, bytes]]

MAX_ONWARD_BYTES = heads.MAX_BYTES - 256
"""Bytes of a request's head that is sent to a notebook; Jupyter's server accepts no more than
`heads.MAX_BYTES`, and the HTTP client adds some of its own.
"""
HOP_BY_HOP = frozenset(
    {b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade", b"expect"}
)
STRIPPED_PREFIXES = (b"x-forwarded", b"proxy-", b"sec-websocket-")
"""Prefixes of headers that claim where a request came from, address proxies, or belong to the
WebSocket handshake, which the gateway does itself.
"""
STRIPPED_FROM_REQUEST = frozenset(
    {b"forwarded", b"x-bindery-secret", TOKEN_HEADER.lower().encode(), b"x-real-ip", b"x-scheme"}
)
# The server in front sends its own Date and Server, and ignores a notebook's instructions to it.
STRIPPED_FROM_RESPONSE = frozenset(
    {b"clear-site-data", b"strict-transport-security", b"alt-svc", b"date", b"server"}
    | {b"x-accel-redirect", b"x-accel-expires", b"x-accel-limit-rate", b"x-accel-charset"}
    | {b"x-sendfile", b"x-lighttpd-send-file", b"x-reproxy-url"}
)
NO_FRAMING_HEADER = (b"content-security-policy", b"frame-ancestors 'self'")
REFERRER_POLICY_HEADER = (b"referrer-policy", b"same-origin")


class HeadTooLarge(Exception):
    """Raised for a request whose head a notebook's server would not read."""

    def __init__(self, head: bytes) -> None:
        super().__init__()
        self.refusal = heads.too_large(head)


def portal_token(header: str) -> str:
    """Return the portal's API token in an ``Authorization`` header; "" if it is anything else.

    An application in a notebook has a right to its own ``Authorization``.
    """
    secret = bearer_token(header)
    return secret if secret.startswith(PREFIX) else ""


def to_notebook(headers: Headers, token: str) -> CIMultiDict[str]:
    """Return the headers for the notebook server, with the server's own token.

    It is in ``Authorization``, too, unless the request has one for an application.
    """
    named = _connection_options(headers)
    if any(name == b"transfer-encoding" for name, _value in headers):
        named.add(b"content-length")  # the body is reframed, by its transfer encoding
    onward: CIMultiDict[str] = CIMultiDict()
    for name, value in headers:
        if _is_stripped(name) or (name in named and name != b"host"):
            continue
        if name == b"cookie" and not (value := _without_portal_cookies(value)):
            continue
        if name == b"authorization" and portal_token(value.decode("latin-1")):
            continue
        onward.add(name.decode("latin-1"), _text(value))
    onward["X-Forwarded-Proto"] = settings.GATEWAY_SCHEME
    if host := onward.get("Host"):
        onward["X-Forwarded-Host"] = host
    onward[TOKEN_HEADER] = token
    onward.setdefault("Authorization", f"token {token}")
    return onward


def _text(value: bytes) -> str:
    """Return a header's value; one in Latin-1, as scripts of a page send it, becomes UTF-8."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def check_size(target: str, fields: CIMultiDict[str]) -> None:
    """Raise `HeadTooLarge` if a notebook's server would not read a request with these headers."""
    size = len(target) + sum([len(name) + len(text) + 4 for name, text in fields.items()])
    if size > MAX_ONWARD_BYTES:
        lines = [f"GET {target}", *(f"{name}: {text}" for name, text in fields.items())]
        raise HeadTooLarge("\r\n".join(lines).encode())


@lru_cache(4096)
def _is_stripped(name: bytes) -> bool:
    plain = name.replace(b"_", b"-")  # some servers treat both the same
    return plain in HOP_BY_HOP | STRIPPED_FROM_REQUEST or plain.startswith(STRIPPED_PREFIXES)


def from_notebook(
    headers: Iterable[tuple[bytes, bytes]], path: str = "", host: str = ""
) -> Headers:
    """Return the headers for the browser, which asked for this path on this host.

    Other sites may not frame the page or learn its address.
    """
    received = [(name.lower(), value) for name, value in headers]
    ends_here = HOP_BY_HOP | STRIPPED_FROM_RESPONSE | _connection_options(received)
    onward = [NO_FRAMING_HEADER, *transport_security()]
    for name, value in received:
        if name == b"set-cookie":
            onward += [(name, kept) for kept in [_host_only(value)] if kept]
        elif name == b"location":
            onward.append((name, _reachable(value, path.encode(), host.encode())))
        elif name == b"refresh" and (after := _REFRESH.fullmatch(value)):
            there = _reachable(after[3], path.encode(), host.encode())
            onward.append((name, after[1] + there + after[2]))
        elif name not in ends_here:
            onward.append((name, value))
    if all(name != b"referrer-policy" for name, _value in onward):
        onward.append(REFERRER_POLICY_HEADER)
    return onward


_LOOPBACK = re.compile(
    rb"""(?:https?:)?//
    (?:[^/?\#@]*@)?
    (?:localhost\.?|127(?:\.\d{1,3}){1,3}|0\.0\.0\.0|\[(?:::1?|(?:0{1,4}:){7}0{0,3}[01])\])
    (?::(\d{1,5}))?(?=[/?\#]|$)""",
    re.IGNORECASE | re.VERBOSE,
)
_REFRESH = re.compile(rb"""([^;,]*[;,]\s*(?:url\s*=\s*)?(["']?))(.*?)\2\s*""", re.IGNORECASE)
"""A redirect after some seconds, as browsers read it: the time, then the address."""
_PROXIED = re.compile(rb"/proxy/(absolute/)?\d+(?=/|$)")


def _reachable(location: bytes, path: bytes, host: bytes) -> bytes:
    """Return where an application redirects to, as the browser can reach it.

    jupyter-server-proxy passes everything below ``/proxy/<port>/`` on to that port, and
    ``/proxy/absolute/<port>/`` with its whole path. An application may know itself only by an
    address in its sandbox, which would lead a browser to its own machine, or without the part of
    the path that was taken off. If it knows that part, jupyter-server-proxy may write it twice.
    """
    here = _PROXIED.match(path)
    prefix = here[0] if here else b""
    inside = _LOOPBACK.match(location)
    own = re.match(rb"(?:https?:)?//" + re.escape(host) + rb"(?=[/?#]|$)", location)
    if inside:
        kind = (here and here[1]) or b""
        base = b"/proxy/" + kind + (inside[1] or b"80")
        location = _below(base, _path(location[inside.end() :]))
    elif prefix and own:
        rest = _path(location[own.end() :])
        location = rest if here and here[1] else _below(prefix, rest)
    while prefix and location.startswith(prefix + prefix + b"/"):
        location = location[len(prefix) :]
    return location


def _path(rest: bytes) -> bytes:
    return rest if rest.startswith(b"/") else b"/" + rest


def _below(prefix: bytes, path: bytes) -> bytes:
    return path if path.startswith(b"/proxy/") else prefix + path


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
