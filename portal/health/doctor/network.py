"""Check the portal's address, the gateway's domain and the trusted Git hosts.

The address must lead to this portal, and its certificate must last. Any name below the gateway's
domain must lead to this portal as well. The trusted Git hosts must exist and must not be the
portal.
"""

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

from portal.health import checks
from sessions.providers import egress_rules

from . import Finding, failure_reason

SECONDS = 5
SOON_DAYS = 21


def check_address() -> Iterator[Finding]:
    """Yield findings on `PORTAL_URL`: whether this portal answers there, and its certificate."""
    nonce = secrets.token_hex(8)
    try:
        answer = requests.get(
            f"{settings.PORTAL_URL}/health", params={"nonce": nonce}, timeout=SECONDS
        )
        proof = answer.json().get("proof")
    except requests.exceptions.JSONDecodeError:
        proof = None
    except (requests.RequestException, AttributeError) as error:
        yield _unreachable(error)
        return
    if proof != checks.proof(nonce):
        yield Finding(
            "doctor.other-portal",
            _(
                "%(url)s leads to another program, or to a portal with another version or "
                "secret key."
            )
            % {"url": settings.PORTAL_URL},
            _("Check PORTAL_URL, PORTAL_SECRET_KEY and the web server in front."),
        )
    if settings.GATEWAY_SCHEME == "https":
        yield from certificate(settings.PORTAL_URL)


def _unreachable(error: Exception) -> Finding:
    message = _("%(url)s cannot be reached from here: %(why)s.")
    words = {"url": settings.PORTAL_URL, "why": failure_reason(error)}
    hint = _(
        "Start the portal, and check PORTAL_URL, DNS, the web server in front and its certificate."
    )
    return Finding("doctor.unreachable", message % words, hint)


def certificate(url: str) -> Iterator[Finding]:
    """Yield a finding if the certificate is not trusted, or ends within `SOON_DAYS` days."""
    parts = urlsplit(url)
    where = (parts.hostname or "", parts.port or 443)
    try:
        with (
            socket.create_connection(where, SECONDS) as plain,
            ssl.create_default_context().wrap_socket(plain, server_hostname=where[0]) as safe,
        ):
            ends = (safe.getpeercert() or {}).get("notAfter", "")
    except OSError as error:
        message = _("The certificate of %(host)s is not trusted: %(why)s.")
        hint = _("Get a new one for this name from an authority that browsers trust.")
        words = {"host": where[0], "why": str(error)[:200]}
        yield Finding("doctor.certificate", message % words, hint)
        return
    left = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(ends)), UTC) - datetime.now(UTC)
    if left.days < SOON_DAYS:
        message = _("The certificate of %(host)s expires in %(days)s days.")
        hint = _("Renew it; automatic renewal may have stopped.")
        words = {"host": where[0], "days": str(left.days)}
        yield Finding("doctor.certificate-ends", message % words, hint, advice=True)


_NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Accept": "text/html"}


def check_gateway() -> Iterator[Finding]:
    """Yield a finding if a name below the gateway's domain does not lead to this portal."""
    name = f"doctor-{secrets.token_hex(4)}"
    host = f"{name}.{settings.PORTAL_GATEWAY_DOMAIN}"
    url = f"{settings.GATEWAY_SCHEME}://{host}/"
    try:
        answer = requests.get(
            _resolve_localhost(url),
            headers={**_NAVIGATION, "Host": host},
            allow_redirects=False,
            timeout=SECONDS,
        )
    except requests.RequestException as error:
        yield _gateway_finding(url, failure_reason(error))
        return
    if not answer.headers.get("Location", "").startswith(f"{settings.PORTAL_URL}/projects/{name}/"):
        yield _gateway_finding(url, _("something other than the portal answers"))
    elif settings.GATEWAY_SCHEME == "https":
        yield from certificate(url)


def _resolve_localhost(url: str) -> str:
    """Replace a name below localhost by its address: browsers know it, other programs may not."""
    parts = urlsplit(url)
    if not (parts.hostname or "").endswith(".localhost"):
        return url
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{socket.gethostbyname('localhost')}{port}/"


def _gateway_finding(url: str, why: str) -> Finding:
    message = _("Notebooks cannot be opened: %(url)s does not lead to this portal (%(why)s).")
    hint = _(
        "Point a wildcard name (*.%(domain)s) at the portal, get a certificate for it, and "
        "have the web server in front pass the Host header on."
    )
    return Finding(
        "doctor.gateway",
        message % {"url": url, "why": why},
        hint % {"domain": settings.PORTAL_GATEWAY_DOMAIN},
    )


def check_git_hosts() -> Iterator[Finding]:
    """Yield findings on trusted Git hosts that do not resolve, or that are this machine."""
    for entry in settings.PORTAL_TRUSTED_GIT_HOSTS:
        if entry == settings.PORTAL_OWN_ADDRESS:
            continue
        host = entry.rpartition(":")[0] if entry.rpartition(":")[2].isdecimal() else entry
        try:
            socket.getaddrinfo(host.strip("[]"), None)
        except OSError as error:
            yield Finding(
                "doctor.git-host",
                _("%(host)s in PORTAL_TRUSTED_GIT_HOSTS does not resolve: %(why)s.")
                % {"host": host, "why": error},
                _("Correct the name, or fix this machine's resolver."),
                advice=True,
            )
        else:
            yield from _check_own_machine(entry, host.strip("[]"))


def _check_own_machine(entry: str, host: str) -> Iterator[Finding]:
    """Warn of an entry without a port: it opens everything that listens on this machine to git."""
    if not egress_rules().is_portal(host, settings.PORTAL_PORT):
        return
    if entry.endswith(f":{settings.PORTAL_PORT}"):
        message = _(
            "%(host)s in PORTAL_TRUSTED_GIT_HOSTS is the portal itself, so it stays blocked."
        )
    elif entry.rpartition(":")[2].isdecimal() and host != entry.strip("[]"):
        return
    else:
        message = _("%(host)s in PORTAL_TRUSTED_GIT_HOSTS is this machine, with all its ports.")
    yield Finding(
        "doctor.git-host-port",
        message % {"host": entry},
        _("Add the port of its Git server: host:port."),
        advice=True,
    )
