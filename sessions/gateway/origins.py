"""What another site may make a signed-in browser do: open a notebook in a tab, and no more.

The gateway puts the notebook server's own token on every request, and a server that sees its
token asks no further questions about origins. So they are asked here.
"""

from __future__ import annotations

from sessions.gateway.arrival import Arrival
from sessions.gateway.hosts import origin_of

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def is_foreign(arrival: Arrival) -> bool:
    """Whether somebody else's page is, or may be, behind this request."""
    named = arrival.fields.get(b"origin")
    if named is not None:
        own = named.decode("latin-1") == origin_of(arrival.label)
        return not own and not _opens_tab(arrival)
    if arrival.credential.bearer:
        return False  # no browser sends a token by itself
    site = arrival.text(b"sec-fetch-site")
    if arrival.is_socket or arrival.method not in SAFE:
        return arrival.is_socket or site != "same-origin"
    return site in {"cross-site", "same-site"} and not _opens_tab(arrival)


def _opens_tab(arrival: Arrival) -> bool:
    """Whether the visitor goes there, in a tab of its own, rather than a page that fetches."""
    return (
        not arrival.is_socket
        and arrival.method in SAFE
        and arrival.text(b"sec-fetch-mode") == "navigate"
        and arrival.text(b"sec-fetch-dest") == "document"
    )
