"""The hosts of notebooks and what belongs to their origins, as pure functions of the settings."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from django.conf import settings

ENTER = "/_bindery/enter"
ALLOWED = "/_bindery/allowed"
OURS = frozenset({ENTER, ALLOWED})
"""The paths of a notebook's host that are ours: for who arrives with a ticket, and for nginx."""


def label_of(host: str) -> str | None:
    """The part of a ``Host`` header before the gateway's domain, in small letters.

    A project's name if it is one; None when the host is not one of notebooks. Ports do not
    count: a browser that came by another one is refused by its origin, if it matters.
    """
    name, domain = _hostname(host), _hostname(settings.PORTAL_GATEWAY_DOMAIN)
    if name == urlsplit(settings.PORTAL_URL).hostname or not name.endswith(f".{domain}"):
        return None
    return name[: -len(domain) - 1]


def is_label(text: str) -> bool:
    """Whether a project could have this name."""
    return re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", text) is not None


def origin_of(label: str) -> str:
    """The origin that a browser names when this notebook's own pages ask for something."""
    return origin(f"{settings.GATEWAY_SCHEME}://{label}.{settings.PORTAL_GATEWAY_DOMAIN}")


def origin(url: str) -> str:
    """``scheme://host[:port]`` of an address, as browsers write it: without the usual port."""
    parts = urlsplit(url)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    port = f":{parts.port}" if parts.port not in {None, usual} else ""
    return f"{parts.scheme}://{parts.hostname}{port}"


def cookie_name() -> str:
    """Of the cookie that opens a notebook. Like the portal's own, it differs by port and has
    the ``__Host-`` prefix over https."""
    return f"{settings.SESSION_COOKIE_NAME}-notebook"


def entrant_cookie_name() -> str:
    """Return the name of the cookie by which a browser that asks for a ticket is known again."""
    return f"{settings.SESSION_COOKIE_NAME}-entrant"


def transport_security() -> list[tuple[bytes, bytes]]:
    """Return the header that keeps browsers at https, where that is how they come."""
    seconds = settings.PORTAL_HSTS_SECONDS
    if settings.GATEWAY_SCHEME != "https" or not seconds:
        return []
    return [(b"strict-transport-security", f"max-age={seconds}".encode())]


def _hostname(host: str) -> str:
    return re.sub(r":\d*$", "", host).rstrip(".").lower()
