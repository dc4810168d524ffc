"""Parse a request, decide what another site may make a browser do, and filter headers.

`GatewayRequest` holds everything about a request that the gateway looks at, read once.

Another site may make a signed-in browser open a notebook in a tab, and nothing else. The gateway
puts the notebook server's own token on every request, and a server that sees its token does not
check the origin any more. So the gateway checks it here (`is_cross_site`).

The notebook receives nothing that opens anything but itself: not our cookies, not the visitor's API
token, no claim about where the request came from. The browser receives nothing that reaches beyond
the notebook's own host. Hop-by-hop headers (RFC 9110, section 7.6.1) end here in both directions.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from django.conf import settings
from multidict import CIMultiDict

from keys.authentication import bearer_token

from .authorize import Credential
from .hosts import cookie_name, entrant_cookie_name, origin_of, transport_security

Headers = list[tuple[bytes, bytes]]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
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
# The server in front sends its own Date and Server, and ignores a notebook's instructions to it.
STRIPPED_FROM_RESPONSE = frozenset(
    {b"clear-site-data", b"strict-transport-security", b"alt-svc", b"date", b"server"}
    | {b"x-accel-redirect", b"x-accel-expires", b"x-accel-limit-rate", b"x-accel-charset"}
    | {b"x-sendfile", b"x-lighttpd-send-file", b"x-reproxy-url"}
)
NO_FRAMING_HEADER = (b"content-security-policy", b"frame-ancestors 'self'")
REFERRER_POLICY_HEADER = (b"referrer-policy", b"same-origin")


def is_cross_site(request: GatewayRequest) -> bool:
    """Return whether another site's page is, or may be, behind this request."""
    named = request.header_map.get(b"origin")
    if named is not None:
        own = named.decode("latin-1") == origin_of(request.label)
        return not own and not _is_top_level_navigation(request)
    if request.credential.bearer:
        return False  # browsers never send a token on their own
    site = request.header(b"sec-fetch-site")
    if request.is_socket or request.method not in SAFE_METHODS:
        return request.is_socket or site != "same-origin"
    return site in {"cross-site", "same-site"} and not _is_top_level_navigation(request)


def _is_top_level_navigation(request: GatewayRequest) -> bool:
    """Return whether the visitor navigates there in a top-level tab; False for a page's fetch."""
    return (
        not request.is_socket
        and request.method in SAFE_METHODS
        and request.header(b"sec-fetch-mode") == "navigate"
        and request.header(b"sec-fetch-dest") == "document"
    )


@dataclass(slots=True)
class GatewayRequest:
    """A request as it came in.

    ``target`` is the path and query exactly as sent; ``header_map`` maps each header name to its
    last value.
    """

    label: str
    method: str
    target: str
    headers: Headers
    header_map: dict[bytes, bytes]
    subprotocols: list[str]
    is_socket: bool
    credential: Credential

    @classmethod
    def from_scope(cls, scope: dict[str, Any], label: str) -> GatewayRequest:
        """Read a request to the host ``label`` from its ASGI scope."""
        headers: Headers = scope["headers"]
        fields = dict(headers)
        query = scope["query_string"]
        target = scope["raw_path"] + (b"?" + query if query else b"")
        secret = bearer_token(fields.get(b"authorization", b"").decode("latin-1"))
        cookie = "" if secret else get_cookie(headers, cookie_name())
        return cls(
            label=label,
            method=scope.get("method", "GET"),
            target=target.decode("latin-1"),
            headers=headers,
            header_map=fields,
            subprotocols=scope.get("subprotocols", []),
            is_socket=scope["type"] == "websocket",
            credential=Credential(label, cookie, secret),
        )

    def header(self, name: bytes) -> str:
        """Return a header's value, or "" if it is absent."""
        return self.header_map.get(name, b"").decode("latin-1")

    @property
    def path(self) -> str:
        """Return the target up to its query, exactly as sent."""
        return self.target.partition("?")[0]

    @property
    def wants_page(self) -> bool:
        """Return whether a person, not a program, will look at the answer."""
        if self.is_socket or self.method not in {"GET", "HEAD"}:
            return False
        return "text/html" in self.header(b"accept") and "/api/" not in self.path

    @property
    def is_navigation(self) -> bool:
        """Return whether this loads the page of a tab, which may be redirected."""
        return self.wants_page and self.header(b"sec-fetch-dest") in {"", "document"}


def get_cookie(headers: Iterable[tuple[bytes, bytes]], name: str) -> str:
    """Return the value of a cookie.

    Return "" if it is absent, or if there are several different ones: then one must be planted.
    """
    wanted, found = name.encode(), set()
    for header, value in headers:
        if header == b"cookie" and wanted in value:
            for piece in value.split(b";"):
                key, _equals, content = piece.strip().partition(b"=")
                if key == wanted:
                    found.add(content)
    return found.pop().decode("latin-1") if len(found) == 1 else ""


def to_notebook(headers: Headers, token: str) -> CIMultiDict[str]:
    """Return the headers for the notebook server, with the server's own token."""
    named = _connection_options(headers)
    if any(name == b"transfer-encoding" for name, _value in headers):
        named.add(b"content-length")  # the body is reframed, by its transfer encoding
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


def from_notebook(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
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
