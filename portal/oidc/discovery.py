"""Where a provider is asked what: by hand, and from its own description (OpenID Connect Discovery).

The description is fetched when it is needed first, never at start: a provider that is away keeps
no portal from starting.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import requests
from django.conf import settings
from django.core.cache import cache

from portal.oidc.problems import away
from portal.oidc.provider import Provider

KEPT = 3600
"""Seconds for which a description is believed."""
NAMES = {
    "authorization": "authorization_endpoint",
    "token": "token_endpoint",
    "userinfo": "userinfo_endpoint",
    "keys": "jwks_uri",
    "logout": "end_session_endpoint",
    "revocation": "revocation_endpoint",
}

UNREADABLE = (requests.RequestException, ValueError, RecursionError)
"""What comes of an answer that does not come, or makes no sense."""

log = logging.getLogger(__name__)


def endpoint(provider: Provider, name: str) -> str:
    """The address of one, "" where the provider has none. Raises `ProviderAway`."""
    if provider.is_set_by_hand:
        return provider.endpoints.get(name, "")
    return provider.endpoints.get(name) or _web_address(description(provider).get(NAMES[name]))


def offers(provider: Provider, what: str, value: str) -> bool:
    """Whether the list ``what`` of the description has ``value``. Raises `ProviderAway`."""
    listed = {} if provider.is_set_by_hand else description(provider)
    return value in (listed.get(what) or [])


def description(provider: Provider) -> Mapping[str, Any]:
    """What the provider says of itself. Raises `ProviderAway`, also when it names another issuer:
    then it is not the one that is meant."""
    key = f"oidc.description.{provider.slug}.{provider.issuer}"
    found: dict[str, Any] | None = cache.get(key)
    if found is None:
        found = fetched(provider)
        cache.set(key, found, KEPT)
    return found


def fetched(provider: Provider) -> dict[str, Any]:
    """Like `description`, but never from memory."""
    address = f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration"
    try:
        answer = requests.get(address, timeout=settings.OIDC_TIMEOUT)
        answer.raise_for_status()
        found = answer.json()
    except UNREADABLE as error:
        log.warning("%s: no description at %s: %s", provider.slug, address, type(error).__name__)
        raise away(provider) from None
    if not isinstance(found, dict) or found.get("issuer") != provider.issuer:
        log.error("%s: the description at %s is another issuer's", provider.slug, address)
        raise away(provider)
    return found


def _web_address(value: object) -> str:
    is_one = isinstance(value, str) and value.startswith(("https://", "http://"))
    return str(value) if is_one else ""
