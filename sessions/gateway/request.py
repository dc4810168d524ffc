"""Parse a request, and decide what another site may make a browser do.

`Arrival` holds everything about a request that the gateway looks at, read once.

Another site may make a signed-in browser open a notebook in a tab, and nothing else. The gateway
puts the notebook server's own token on every request, and a server that sees its token does not
check the origin any more. So the gateway checks it here (`is_foreign`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from keys.authentication import bearer

from . import hosts
from .authorize import Credential
from .hosts import origin_of

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def is_foreign(arrival: Arrival) -> bool:
    """Return whether another site's page is, or may be, behind this request."""
    named = arrival.fields.get(b"origin")
    if named is not None:
        own = named.decode("latin-1") == origin_of(arrival.label)
        return not own and not _opens_tab(arrival)
    if arrival.credential.bearer:
        return False  # no browser sends a token by itself
    site = arrival.text(b"sec-fetch-site")
    if arrival.is_socket or arrival.method not in SAFE:
        return arrival.is_socket or site != "same-origin"
    return site in {"cross-site", "same-site"} and not _opens_tab(arrival)


def _opens_tab(arrival: Arrival) -> bool:
    """Return whether the visitor navigates there in a top-level tab; False for a page's fetch."""
    return (
        not arrival.is_socket
        and arrival.method in SAFE
        and arrival.text(b"sec-fetch-mode") == "navigate"
        and arrival.text(b"sec-fetch-dest") == "document"
    )


Headers = list[tuple[bytes, bytes]]


@dataclass(slots=True)
class Arrival:
    """A request as it came in.

    ``target`` is the path and query exactly as sent; ``fields`` maps each header name to its last
    value.
    """

    label: str
    method: str
    target: str
    headers: Headers
    fields: dict[bytes, bytes]
    subprotocols: list[str]
    is_socket: bool
    credential: Credential

    @classmethod
    def of(cls, scope: dict[str, Any], label: str) -> Arrival:
        """Read a request to the host ``label`` from its ASGI scope."""
        headers: Headers = scope["headers"]
        fields = dict(headers)
        query = scope["query_string"]
        target = scope["raw_path"] + (b"?" + query if query else b"")
        secret = bearer(fields.get(b"authorization", b"").decode("latin-1"))
        cookie = "" if secret else cookie_in(headers, hosts.cookie_name())
        return cls(
            label=label,
            method=scope.get("method", "GET"),
            target=target.decode("latin-1"),
            headers=headers,
            fields=fields,
            subprotocols=scope.get("subprotocols", []),
            is_socket=scope["type"] == "websocket",
            credential=Credential(label, cookie, secret),
        )

    def text(self, name: bytes) -> str:
        """Return a header's value, or "" if it is absent."""
        return self.fields.get(name, b"").decode("latin-1")

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def wants_page(self) -> bool:
        """Whether a person, not a program, will look at the answer."""
        if self.is_socket or self.method not in {"GET", "HEAD"}:
            return False
        return "text/html" in self.text(b"accept") and "/api/" not in self.path

    @property
    def is_navigation(self) -> bool:
        """Whether this loads the page of a tab, which may be redirected."""
        return self.wants_page and self.text(b"sec-fetch-dest") in {"", "document"}


def cookie_in(headers: Iterable[tuple[bytes, bytes]], name: str) -> str:
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
