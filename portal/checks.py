"""System checks: wrong configuration is said at start, with a stable id and what to do."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004  Django's name
from django.utils.translation import gettext as _

from sessions.addresses import Rules

TRUSTED = ("PORTAL_TRUSTED_GIT_HOSTS", "PORTAL_TRUSTED_HOSTS")


@register
def trusted_hosts(**kwargs: Any) -> list[CheckMessage]:
    """Each entry is a host, or a host and a port (portal.E007)."""
    return [
        Error(f"{name} has “{entry}”", hint="Give host or host:port.", id="portal.E007")
        for name in TRUSTED
        for entry in getattr(settings, name)
        if not _is_host(entry)
    ]


def _is_host(entry: str) -> bool:
    try:
        Rules(frozenset({entry}))
    except ValueError:
        return False
    return True


@register
def trusted_proxies(**kwargs: Any) -> list[CheckMessage]:
    """Each entry is an address or a network (portal.E014), and behind a web server there is one
    (portal.W014): https ends at it, so with such an address there is always one in front."""
    if settings.GATEWAY_SCHEME == "https" and not settings.PORTAL_TRUSTED_PROXIES:
        return [
            Warning(
                _(
                    "PORTAL_URL begins with https, and PORTAL_TRUSTED_PROXIES names no web server: "
                    "all people count as one address, and one who mistypes a password too often "
                    "makes all others wait."
                ),
                hint=_(
                    "Add PORTAL_TRUSTED_PROXIES=127.0.0.1,::1 for a web server on this machine, "
                    "else the addresses that it comes from (docs/configure.md)."
                ),
                id="portal.W014",
            )
        ]
    return [
        Error(
            f"PORTAL_TRUSTED_PROXIES has “{entry}”",
            hint=_("Give addresses or networks, such as 10.0.0.0/8."),
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
def environment(**kwargs: Any) -> list[CheckMessage]:
    """Each variable of the environment that could not be used (portal.E002 … E006, E008 … E010)."""
    return [
        Error(f"{problem.variable} {problem.message}", hint=problem.hint, id=problem.id)
        for problem in settings.ENVIRONMENT.problems
    ]
