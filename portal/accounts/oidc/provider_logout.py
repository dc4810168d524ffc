"""End sign-ins because the provider says that somebody has signed out, or was signed out, there.

It tells the portal itself (OpenID Connect Back-Channel Logout 1.0) or by way of the browser
(Front-Channel Logout 1.0). Pages, sockets and notebooks of that browser close within seconds; API
tokens stay valid, as after a sign-out here.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.db.models import Q
from django.utils.translation import gettext as _

from portal.models import SignIn

from . import idtoken, signins
from .client import Client
from .errors import ProviderUnavailable, UnverifiedResponse, provider_unavailable
from .provider import Provider

KEYS_SECONDS = 10
"""Seconds for which keys, or that there are none, are remembered: anybody may send a token here."""
REPLAY_GRACE = timedelta(minutes=5)
"""Sign-ins that began this long after a token was issued are not ended by it."""

log = logging.getLogger(__name__)


def end_by_token(provider: Provider, token: str) -> int:
    """End the sign-ins that a logout token names; return how many there were.

    May be repeated. Raises `UnverifiedResponse` for a token that is not the provider's, and
    `ProviderUnavailable` if its keys cannot be fetched.
    """
    try:
        where = {"audience": provider.client_id, "issuer": provider.issuer}
        idtoken.check_logout_token(token, **where)  # before anybody is asked for a key
        keys, address = _keys(provider)
        claims = idtoken.verify_logout_token(token, keys, jwks_url=address, **where)
    except idtoken.InvalidJwt as why:
        log.warning("%s: rejected a logout token: %s", provider.slug, why)
        raise UnverifiedResponse(
            "oidc.logout", _("The logout token is not valid: %(why)s.") % {"why": why}
        ) from None
    return _end(provider, SignIn.objects.filter(_named_by(claims), provider=provider.slug))


def end_by_session(provider: Provider, session: str) -> int:
    """End the sign-ins of a session of the provider's; return how many there were."""
    named = SignIn.objects.filter(
        provider_session=signins.session_digest(session), provider=provider.slug
    )
    return _end(provider, named)


def _named_by(claims: dict[str, Any]) -> Q:
    """Return the condition for sign-ins that verified claims name.

    A session that is named ends alone; of sign-ins that are not known by their session, all of the
    person's end.
    """
    until = datetime.fromtimestamp(float(claims["iat"]), UTC) + REPLAY_GRACE
    person = Q(user__issuer=claims["iss"], user__subject=claims.get("sub", ""), created__lte=until)
    if "sid" not in claims:
        return person
    session = Q(provider_session=signins.session_digest(claims["sid"]))
    return session | (person & Q(provider_session="")) if claims.get("sub") else session


def _end(provider: Provider, named: Any) -> int:
    rows = list(named)
    for row in rows:
        signins.end(row)
    log.info("%s: signed out there, %d sign-ins ended", provider.slug, len(rows))
    return len(rows)


def _keys(provider: Provider) -> tuple[Any, str]:
    """Return the provider's keys and their address. Raises `ProviderUnavailable`."""
    name = f"oidc.logout-keys.{provider.slug}"
    found = cache.get(name)
    if found is None:
        try:
            client = Client(provider)
            found = (client.keys(), client.OIDC_OP_JWKS_ENDPOINT)
        except ProviderUnavailable:
            found = ()
        cache.set(name, found, KEYS_SECONDS)
    if not found:
        raise provider_unavailable(provider)
    return found[0], found[1]
