"""Which SSH servers are known: those that the operator names, and those that were met before."""

from __future__ import annotations

from django.conf import settings

from keys.models import KnownHost


def text() -> str:
    """All of them, as a file ``known_hosts``; the operator's come first."""
    met = (f"{row.host} {row.key}" for row in KnownHost.objects.order_by("pk"))
    return "".join(f"{line}\n" for line in (*settings.PORTAL_KNOWN_HOSTS.splitlines(), *met))
