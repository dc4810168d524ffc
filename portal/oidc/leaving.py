"""Out again: here, and at the provider (OpenID Connect RP-Initiated Logout)."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.core import signing
from django.urls import reverse

from portal.oidc import signins
from portal.oidc.discovery import endpoint
from portal.oidc.problems import ProviderAway
from portal.oidc.provider import Provider

SALT = "bindery.oidc.leaving"
LIFE = 3600
"""Seconds that the way back is known again."""


@dataclass(frozen=True)
class WayOut:
    """Where to send the browser on to; ``there``: the provider ends its sign-in as well."""

    provider: Provider
    address: str
    there: bool


def way_out(browser: SessionBase) -> WayOut | None:
    """Before the session is ended: where it goes on to, if it was opened by a provider."""
    opened = signins.opened(browser)
    provider = settings.OIDC_PROVIDERS.get(opened[0]) if opened else None
    if opened is None or provider is None:
        return None
    try:
        logout = endpoint(provider, "logout")
    except ProviderAway:
        logout = ""
    if not logout:
        return WayOut(provider, f"{back(provider)}?{_state(there=False)}", there=False)
    hint = {"id_token_hint": opened[1]} if opened[1] else {}
    params = {
        **hint,
        "client_id": provider.client_id,
        "post_logout_redirect_uri": settings.PORTAL_URL + back(provider),
    }
    link = "&" if urlsplit(logout).query else "?"
    address = f"{logout}{link}{urlencode(params)}&{_state(there=True)}"
    return WayOut(provider, address, there=True)


def back(provider: Provider) -> str:
    """Where browsers arrive that are signed out; the provider has to know it."""
    return reverse("oidc-signed-out", args=[provider.slug])


def was_there(state: str) -> bool | None:
    """Whether the sign-in at the provider was ended too; None if nobody has just been signed
    out."""
    try:
        there: bool = signing.loads(state, salt=SALT, max_age=LIFE)
    except signing.BadSignature:
        return None
    return there


def _state(*, there: bool) -> str:
    return urlencode({"state": signing.dumps(there, salt=SALT)})
