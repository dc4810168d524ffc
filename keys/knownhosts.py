"""Which SSH servers are known: those that the operator names, and those that were met before."""

from __future__ import annotations

from collections.abc import Iterable

from django.conf import settings

from keys.keypairs import fingerprint
from keys.models import KnownHost


def text() -> str:
    """All of them, as a file ``known_hosts``; the operator's come first."""
    met = (f"{row.host} {row.key}" for row in KnownHost.objects.order_by("pk"))
    return "".join(f"{line}\n" for line in (*settings.PORTAL_KNOWN_HOSTS.splitlines(), *met))


def record(lines: Iterable[str], user_id: int | None) -> None:
    """Know the servers of these lines from now on; the person was the first to use them.

    Of two who meet a server at once the first is believed: a key that differs is not added.
    """
    for line in lines:
        host, kind, key = line.split()[:3]
        if KnownHost.objects.filter(host=host).exists():
            continue
        KnownHost.objects.get_or_create(
            host=host,
            key=f"{kind} {key}",
            defaults={"fingerprint": fingerprint(f"{kind} {key}"), "first_user_id": user_id},
        )
