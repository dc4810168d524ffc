"""The portal's address: that it leads to this portal, and its certificate lasts."""

from __future__ import annotations

import secrets
import socket
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

import requests
from django.conf import settings
from django.utils.translation import gettext as _

from portal import health
from portal.doctor.finding import Finding
from portal.doctor.reasons import reason

SECONDS = 5
SOON_DAYS = 21


def check() -> Iterator[Finding]:
    nonce = secrets.token_hex(8)
    try:
        answer = requests.get(
            f"{settings.PORTAL_URL}/health", params={"nonce": nonce}, timeout=SECONDS
        )
        proof = answer.json().get("proof")
    except requests.exceptions.JSONDecodeError:
        proof = None
    except (requests.RequestException, AttributeError) as error:
        yield _away(error)
        return
    if proof != health.proof(nonce):
        yield Finding(
            "doctor.other-portal",
            _("%(url)s leads to something else: another program, version or secret key.")
            % {"url": settings.PORTAL_URL},
            _("Look at PORTAL_URL and PORTAL_SECRET_KEY, and at the web server in front."),
        )
    if settings.GATEWAY_SCHEME == "https":
        yield from certificate(settings.PORTAL_URL)


def _away(error: Exception) -> Finding:
    message = _("%(url)s does not answer from here: %(why)s.")
    words = {"url": settings.PORTAL_URL, "why": reason(error)}
    hint = _(
        "Start the portal, look at PORTAL_URL, and at names, web server and certificate on the way."
    )
    return Finding("doctor.unreachable", message % words, hint)


def certificate(url: str) -> Iterator[Finding]:
    """Whether it ends soon; that it is believed, whoever has asked for a page knows."""
    parts = urlsplit(url)
    where = (parts.hostname or "", parts.port or 443)
    try:
        with (
            socket.create_connection(where, SECONDS) as plain,
            ssl.create_default_context().wrap_socket(plain, server_hostname=where[0]) as safe,
        ):
            ends = (safe.getpeercert() or {}).get("notAfter", "")
    except OSError as error:
        message = _("The certificate of %(host)s is not believed: %(why)s.")
        hint = _("Have a new one made, for this name, by whom browsers trust.")
        words = {"host": where[0], "why": str(error)[:200]}
        yield Finding("doctor.certificate", message % words, hint)
        return
    left = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(ends)), UTC) - datetime.now(UTC)
    if left.days < SOON_DAYS:
        message = _("The certificate of %(host)s ends in %(days)s days.")
        hint = _("Have it renewed; whatever renews it by itself may have stopped.")
        words = {"host": where[0], "days": str(left.days)}
        yield Finding("doctor.certificate-ends", message % words, hint, advice=True)
