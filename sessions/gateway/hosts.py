"""Host names, origins and cookie names of notebooks, as pure functions of the settings."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from django.conf import settings

ENTER_PATH = "/_bindery/enter"
AUTH_PATH = "/_bindery/allowed"
GATEWAY_PATHS = frozenset({ENTER_PATH, AUTH_PATH})
"""Paths on a notebook's host that the gateway answers itself: entering with a ticket, and nginx."""


def label_of(host: str) -> str | None:
    """Return the part of a ``Host`` header before the gateway's domain, in lower case.

    Return None if the host is not a notebook's. The label need not be the name of a project. Ports
    are ignored: if a browser came through another port, the origin check refuses it where it
    matters.
    """
    name, domain = _hostname(host), _hostname(settings.PORTAL_GATEWAY_DOMAIN)
    if name == urlsplit(settings.PORTAL_URL).hostname or not name.endswith(f".{domain}"):
        return None
    return name[: -len(domain) - 1]


def is_label(text: str) -> bool:
    """Return whether ``text`` is a valid project name."""
    return re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", text) is not None


def origin_of(label: str) -> str:
    """Return the origin that a browser sends for requests by this notebook's own pages."""
    return origin(f"{settings.GATEWAY_SCHEME}://{label}.{settings.PORTAL_GATEWAY_DOMAIN}")


def origin(url: str) -> str:
    """Return ``scheme://host[:port]`` of a URL as browsers write it, without the default port."""
    parts = urlsplit(url)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    port = f":{parts.port}" if parts.port not in {None, usual} else ""
    return f"{parts.scheme}://{parts.hostname}{port}"


def is_listed_origin(name: str) -> bool:
    """Return whether `PORTAL_CORS_ORIGINS` lists this origin, as a browser names it."""
    return name in settings.PORTAL_CORS_ORIGINS


def cookie_name() -> str:
    """Return the name of the cookie that opens a notebook.

    Like the portal's own, it differs by port and has the ``__Host-`` prefix over https.
    """
    return f"{settings.SESSION_COOKIE_NAME}-notebook"


def entrant_cookie_name() -> str:
    """Return the name of the cookie that recognizes a browser which asked for a ticket."""
    return f"{settings.SESSION_COOKIE_NAME}-entrant"


def transport_security() -> list[tuple[bytes, bytes]]:
    """Return the HSTS header if the gateway uses https and HSTS is on, otherwise nothing."""
    seconds = settings.PORTAL_HSTS_SECONDS
    if settings.GATEWAY_SCHEME != "https" or not seconds:
        return []
    return [(b"strict-transport-security", f"max-age={seconds}".encode())]


def _hostname(host: str) -> str:
    return re.sub(r":\d*$", "", host).rstrip(".").lower()
