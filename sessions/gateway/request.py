"""Parse a request, and decide what another site may make a browser do.

`GatewayRequest` holds everything about a request that the gateway looks at, read once.

Another site may make a signed-in browser open a notebook in a tab, and nothing else. The gateway
puts the notebook server's own token on every request, and a server that sees its token does not
check the origin any more. So the gateway checks it here (`is_cross_site`).

A token of ours may be in the query, and goes no further. In the address of a tab it counts for
nothing, or a link could open one person's notebook in another's browser: the tab is sent to the
same address without it, where its own cookie counts.

Pages of the origins in `PORTAL_CORS_ORIGINS` may use notebooks with API tokens, never cookies. A
browser asks first whether another site's page may send a token (a preflight; the Fetch standard,
section 3.2). The answer is the same for every project, so it reveals none. No answer allows
credentials, which are what the browser would send on its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_plus

from keys.models import PREFIX

from .authorize import Credential
from .headers import Headers, portal_token
from .hosts import cookie_name, is_listed_origin, origin_of

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CORS_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE"
CORS_HEADERS = "authorization, content-type"
CORS_MAX_AGE = b"600"
"""Seconds for which a browser may keep the answer to a preflight."""
_HEADER_NAMES = re.compile(r"[\w!#$%&'*+.^`|~, -]{1,1000}", re.ASCII)


def is_cross_site(request: GatewayRequest) -> bool:
    """Return whether another site's page is, or may be, behind this request."""
    if b"origin" in request.header_map:
        allowed = request.is_own_origin or (request.credential.bearer and request.listed_origin)
        return not allowed and not _is_top_level_navigation(request)
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

    ``target`` is the path and query exactly as sent, without tokens of ours (``had_token``);
    ``header_map`` maps each header name to its last value.
    """

    label: str
    method: str
    target: str
    headers: Headers
    header_map: dict[bytes, bytes]
    subprotocols: list[str]
    is_socket: bool
    credential: Credential
    had_token: bool = False

    @classmethod
    def from_scope(cls, scope: dict[str, Any], label: str) -> GatewayRequest:
        """Read a request to the host ``label`` from its ASGI scope."""
        headers: Headers = scope["headers"]
        fields = dict(headers)
        query, in_query = take_token(scope["query_string"])
        target = scope["raw_path"] + (b"?" + query if query else b"")
        secret = portal_token(fields.get(b"authorization", b"").decode("latin-1")) or in_query
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
            had_token=bool(in_query),
        )

    def header(self, name: bytes) -> str:
        """Return a header's value, or "" if it is absent."""
        return self.header_map.get(name, b"").decode("latin-1")

    @property
    def path(self) -> str:
        """Return the target up to its query, exactly as sent."""
        return self.target.partition("?")[0]

    @property
    def is_own_origin(self) -> bool:
        """Return whether the notebook's own page sent it; False if it does not say."""
        return self.header(b"origin") == origin_of(self.label)

    @property
    def listed_origin(self) -> str:
        """Return the origin of another site that `PORTAL_CORS_ORIGINS` lists; otherwise ""."""
        named = self.header(b"origin")
        return named if named and not self.is_own_origin and is_listed_origin(named) else ""

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


def take_token(query: bytes) -> tuple[bytes, str]:
    """Return the query without tokens of ours, and the first of them.

    Scripts of a page cannot set headers on a WebSocket, so Jupyter's clients write ``?token=``. Any
    other token is the application's own.
    """
    kept: list[bytes] = []
    found = ""
    for piece in query.split(b"&"):
        name, _equals, value = piece.decode("latin-1").partition("=")
        secret = unquote_plus(value).strip() if unquote_plus(name).strip() == "token" else ""
        if secret.startswith(PREFIX):
            found = found or secret
        else:
            kept.append(piece)
    return b"&".join(kept), found


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


def is_preflight(request: GatewayRequest) -> bool:
    """Return whether a browser asks what a page of a listed origin may send."""
    return (
        request.method == "OPTIONS"
        and b"access-control-request-method" in request.header_map
        and bool(request.listed_origin)
    )


def allowed_headers(wanted: str) -> str:
    """Return the names of headers that a page may send: those that it asks for, if they are names.

    Without credentials, a page can send nothing that it could not send from a program.
    """
    return wanted if _HEADER_NAMES.fullmatch(wanted) else CORS_HEADERS


def preflight_headers(request: GatewayRequest) -> Headers:
    """Return headers that allow all methods of Jupyter's API, and those that the page asks for."""
    wanted = request.header(b"access-control-request-headers")
    return [
        (b"access-control-allow-methods", CORS_METHODS),
        (b"access-control-allow-headers", allowed_headers(wanted).encode()),
        (b"access-control-max-age", CORS_MAX_AGE),
    ]


def for_origin(headers: Headers, request: GatewayRequest) -> Headers:
    """Return a response's headers so that the page that sent the request may read it.

    They stay as they are unless it is a listed origin's. What a notebook itself allows does not
    count then: two answers would be none.
    """
    listed = request.listed_origin
    if not listed:
        return headers
    own = (b"access-control-allow-origin", b"access-control-allow-credentials")
    return [
        *(field for field in headers if field[0] not in own),
        (b"access-control-allow-origin", listed.encode()),
        (b"access-control-expose-headers", b"*"),
        (b"vary", b"Origin"),
    ]
