"""System checks: wrong configuration is said at start, with a stable id and what to do."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register

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
def environment(**kwargs: Any) -> list[CheckMessage]:
    """Each variable of the environment that could not be used (portal.E002 … E006, E008 … E010)."""
    return [
        Error(f"{problem.variable} {problem.message}", hint=problem.hint, id=problem.id)
        for problem in settings.ENVIRONMENT.problems
    ]
