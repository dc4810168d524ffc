"""The addresses of notebooks: any name below the gateway's domain leads to this portal."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import requests
from django.conf import settings
from django.utils.translation import gettext as _

from portal.doctor.finding import Finding
from portal.doctor.outside import SECONDS, certificate
from portal.doctor.reasons import reason

_NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Accept": "text/html"}


def check() -> Iterator[Finding]:
    name = f"doctor-{secrets.token_hex(4)}"
    host = f"{name}.{settings.PORTAL_GATEWAY_DOMAIN}"
    url = f"{settings.GATEWAY_SCHEME}://{host}/"
    try:
        answer = requests.get(
            _reached_from_here(url),
            headers={**_NAVIGATION, "Host": host},
            allow_redirects=False,
            timeout=SECONDS,
        )
    except requests.RequestException as error:
        yield _finding(url, reason(error))
        return
    if not answer.headers.get("Location", "").startswith(f"{settings.PORTAL_URL}/projects/{name}/"):
        yield _finding(url, _("something else than the portal answers"))
    elif settings.GATEWAY_SCHEME == "https":
        yield from certificate(url)


def _reached_from_here(url: str) -> str:
    """Browsers know by themselves where names below localhost lead; other programs may not."""
    parts = urlsplit(url)
    if not (parts.hostname or "").endswith(".localhost"):
        return url
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{socket.gethostbyname('localhost')}{port}/"


def _finding(url: str, why: str) -> Finding:
    message = _("Notebooks cannot be opened: %(url)s does not lead to this portal (%(why)s).")
    hint = _(
        "Have a wildcard name (*.%(domain)s) lead to the portal, with a certificate for it, and "
        "the web server in front hand the Host header on."
    )
    return Finding(
        "doctor.gateway",
        message % {"url": url, "why": why},
        hint % {"domain": settings.PORTAL_GATEWAY_DOMAIN},
    )
