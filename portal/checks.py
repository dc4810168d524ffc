"""System checks that report wrong configuration at start.

Each has a stable id and a hint that says what to do.
"""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004  Django's name
from django.utils.translation import gettext as _

from sessions.egress.addresses import EgressRules
from sessions.gateway import hosts

TRUSTED_HOST_SETTINGS = ("PORTAL_TRUSTED_GIT_HOSTS", "PORTAL_TRUSTED_HOSTS")


@register
def check_trusted_hosts(**kwargs: Any) -> list[CheckMessage]:
    """Report each entry that is neither a host nor a host and port (portal.E007)."""
    return [
        Error(f"{name} contains “{entry}”", hint="Use host or host:port.", id="portal.E007")
        for name in TRUSTED_HOST_SETTINGS
        for entry in getattr(settings, name)
        if not _is_host(entry)
    ]


@register
def check_archive_hosts(**kwargs: Any) -> list[CheckMessage]:
    """Report each stand-in for an archive's host that is no address (portal.E016)."""
    return [
        Error(
            f"PORTAL_ARCHIVE_HOSTS contains “{host}={address}”",
            hint="Use host=address, such as zenodo.org=https://mirror.example.org/zenodo.",
            id="portal.E016",
        )
        for host, address in settings.PORTAL_ARCHIVE_HOSTS.items()
        if not host or not re.fullmatch(r"https?://[^/@?#]+(?:/[^?#]*)?", address)
    ]


LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


@register
def check_addresses(**kwargs: Any) -> list[CheckMessage]:
    """Warn if the portal's address lets others harm its users (portal.W001, W002).

    W001: the portal is served over plain http. W002: notebooks can set cookies for the portal.
    """
    host = urlsplit(settings.PORTAL_URL).hostname or ""
    domain = urlsplit(f"//{settings.PORTAL_GATEWAY_DOMAIN}").hostname or ""
    if host in LOCAL_HOSTS or host.endswith(".localhost"):
        return []
    found: list[CheckMessage] = []
    if settings.GATEWAY_SCHEME == "http":
        found.append(Warning(PLAIN_HTTP, hint=HTTPS_HINT, id="portal.W001"))
    if shares_cookies(host, domain):
        words = {"domain": domain, "host": host}
        message = (SHARED_DOMAIN_OVER_HTTP if found else SHARED_DOMAIN) % words
        found.append(Warning(message, hint=OWN_DOMAIN_HINT, id="portal.W002"))
    return found


PLAIN_HTTP = (
    "PORTAL_URL begins with http: passwords, tokens and cookies can be read and changed in "
    "transit, and browsers let a notebook overwrite the portal's cookies."
)
HTTPS_HINT = "Put a web server with a certificate in front (docs/install.md), and use https://…."
SHARED_DOMAIN = (
    "Notebooks are below %(domain)s, which shares a domain with the portal at %(host)s: "
    "code in a notebook can set cookies for the portal. They sign nobody in, but can lock "
    "a browser out until its cookies are deleted."
)
SHARED_DOMAIN_OVER_HTTP = (
    "Notebooks are below %(domain)s, which shares a domain with the portal at %(host)s: "
    "over http, code in a notebook can plant cookies that sign a browser in as somebody "
    "else."
)
OWN_DOMAIN_HINT = (
    "Set PORTAL_GATEWAY_DOMAIN to a domain that has nothing to do with the portal's, as "
    "githubusercontent.com has nothing to do with github.com (docs/security.md)."
)


def shares_cookies(host: str, domain: str) -> bool:
    """Return whether a host below ``domain`` can set a cookie that browsers send to ``host``.

    It can if both end in the same two labels. Public suffixes, under which strangers register
    domains, are not known here.
    """
    ours, theirs = host.split("."), domain.split(".")
    return len(theirs) > 1 and ours[-2:] == theirs[-2:]


def _is_host(entry: str) -> bool:
    try:
        EgressRules(frozenset({entry}))
    except ValueError:
        return False
    return True


@register
def check_cors_origins(**kwargs: Any) -> list[CheckMessage]:
    """Report each entry that is not an origin as browsers write it (portal.E015)."""
    return [
        Error(
            f"PORTAL_CORS_ORIGINS contains “{entry}”",
            hint=_(
                "Use scheme and host, and a port if it is not the usual one, such as "
                "https://book.example.org: in lower case, without a path."
            ),
            id="portal.E015",
        )
        for entry in settings.PORTAL_CORS_ORIGINS
        if not _is_origin(entry)
    ]


def _is_origin(entry: str) -> bool:
    try:
        return bool(urlsplit(entry).hostname) and hosts.origin(entry) == entry
    except ValueError:
        return False


@register
def check_trusted_proxies(**kwargs: Any) -> list[CheckMessage]:
    """Report entries that are no address or network (portal.E014), and warn of an empty list.

    The warning (portal.W014) is for https addresses: TLS ends at a web server, so there is always
    one in front.
    """
    if settings.GATEWAY_SCHEME == "https" and not settings.PORTAL_TRUSTED_PROXIES:
        return [
            Warning(
                _(
                    "PORTAL_URL begins with https, but PORTAL_TRUSTED_PROXIES names no web "
                    "server: everybody counts as one address, so one person who mistypes a "
                    "password too often makes everybody wait."
                ),
                hint=_(
                    "Set PORTAL_TRUSTED_PROXIES=127.0.0.1,::1 for a web server on this "
                    "machine, otherwise to the addresses that it connects from "
                    "(docs/configure.md)."
                ),
                id="portal.W014",
            )
        ]
    return [
        Error(
            f"PORTAL_TRUSTED_PROXIES contains “{entry}”",
            hint=_("Use addresses or networks, such as 10.0.0.0/8."),
            id="portal.E014",
        )
        for entry in settings.PORTAL_TRUSTED_PROXIES
        if not _is_network(entry)
    ]


def _is_network(entry: str) -> bool:
    try:
        ip_network(entry)
    except ValueError:
        return False
    return True


@register
def check_environment(**kwargs: Any) -> list[CheckMessage]:
    """Report each environment variable that could not be used.

    The ids are portal.E002 … E006 and E008 … E010.
    """
    return [
        Error(f"{problem.variable} {problem.message}", hint=problem.hint, id=problem.id)
        for problem in settings.ENVIRONMENT.problems
    ]
