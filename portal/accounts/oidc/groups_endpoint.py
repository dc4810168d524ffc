"""Fetch a person's groups from an endpoint of the provider, where its tokens do not name them.

A token has room for some hundred groups. Beyond that, Microsoft Entra ID and others leave them out
and offer them elsewhere (``OIDC_OP_GROUPS_ENDPOINT``). The address in the token itself is not
used: it may be one that no longer works, and the portal calls only what its staff have set.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings

from .claims import Claims, Policy, memberships
from .provider import Provider

MAX_PAGES = 50
MAX_SECONDS = 5.0
"""Seconds for all pages of one person."""
LISTS = ("value", "groups", "items")
"""Keys of the list in an answer that is an object; Microsoft Graph has the first."""
NEXT_PAGE = "@odata.nextLink"

log = logging.getLogger(__name__)


def add_groups(
    claims: dict[str, Any], provider: Provider, policy: Policy, access_token: str
) -> dict[str, Any]:
    """Return the claims, with the endpoint's groups if they lack them and the endpoint answers.

    Without an answer they still say that groups are missing.
    """
    address = provider.endpoints.get("groups", "")
    if not (address and access_token and memberships(claims, policy).missing):
        return claims
    try:
        found = [name for page in _pages(address, access_token) for name in _names(page, provider)]
    except (requests.RequestException, ValueError, RecursionError) as error:
        log.warning("%s: cannot fetch groups: %s", provider.slug, type(error).__name__)
        return claims
    return {**_without_marks(claims, policy), policy.groups_claims[0]: found}


def _pages(address: str, access_token: str) -> Iterator[Any]:
    """Yield the answers, page by page. Raises `ValueError` if there is no end to them."""
    host, until = urlsplit(address)[:2], time.monotonic() + MAX_SECONDS
    for _page in range(MAX_PAGES):
        answer = requests.get(
            address,
            headers={"Authorization": f"Bearer {access_token}", "Accept": "application/json"},
            timeout=settings.OIDC_TIMEOUT,
            allow_redirects=False,
        )
        answer.raise_for_status()
        page = answer.json()
        yield page
        following = page.get(NEXT_PAGE) if isinstance(page, Mapping) else None
        if not following:
            return
        address = str(following)
        if urlsplit(address)[:2] != host:
            raise ValueError("the next page is elsewhere")
        if time.monotonic() > until:
            break
    raise ValueError("too many pages")


def _names(page: Any, provider: Provider) -> list[str]:
    """Return the groups on a page. Raises `ValueError` if it is no list of groups."""
    if isinstance(page, Mapping):
        page = next((page[key] for key in LISTS if key in page), None)
    groups = page if isinstance(page, list) else [None]
    names: list[Any] = [
        each.get(provider.group_field) if isinstance(each, Mapping) else each for each in groups
    ]
    if not all(isinstance(name, str) for name in names):
        raise ValueError("no names")
    return names


def _without_marks(claims: Claims, policy: Policy) -> dict[str, Any]:
    """Return the claims without those that say that groups are missing, or are no groups."""
    marks = {"_claim_names", "_claim_sources", "hasgroups", *policy.groups_claims}
    kept = {name: value for name, value in claims.items() if name not in marks}
    readable = {
        name: claims[name]
        for name in policy.groups_claims[1:]
        if isinstance(claims.get(name), str | list)
    }
    return kept | readable
