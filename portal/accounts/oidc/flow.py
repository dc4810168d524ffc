"""Sign in at an identity provider and sign out again.

To the provider and back: authorization code with PKCE, state and nonce, kept in the session.

mozilla-django-oidc keeps the states; beside each is noted for which provider it is and where its
tab wants to go, so that neither an answer of another provider nor another tab can be taken for
it.

Out again: here, and at the provider (OpenID Connect RP-Initiated Logout).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from django.conf import settings
from django.contrib.sessions.backends.base import SessionBase
from django.core import signing
from django.http import HttpRequest
from django.urls import reverse
from django.utils.crypto import get_random_string
from django.utils.http import url_has_allowed_host_and_scheme
from mozilla_django_oidc.utils import (
    add_state_and_verifier_and_nonce_to_session,
    generate_code_challenge,
)

from . import signins
from .calls import Tokens, endpoint, offers
from .problems import ProviderAway, declined, not_ours
from .provider import Provider

STATES = "oidc_states"
PATIENCE = 3600
"""Seconds that somebody may take at the provider."""


@dataclass
class Answer:
    """What came back from a provider, and what only the browser that had asked knows. Once it
    is redeemed (`backends`), it has the ``tokens``."""

    provider: Provider
    code: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    then: str = ""
    tokens: Tokens = field(default_factory=Tokens)


def begin(request: HttpRequest, provider: Provider, *, another: bool = False) -> str:
    """The address at the provider to send this browser to. ``another``: ask who it is, although
    the provider may know. Raises `ProviderAway`."""
    state, nonce, verifier = (get_random_string(length) for length in (32, 32, 64))
    params = {
        **provider.extra,
        **(_ask_again(provider) if another else {}),
        "response_type": "code",
        "scope": provider.scopes,
        "client_id": provider.client_id,
        "redirect_uri": callback(provider),
        "state": state,
        "nonce": nonce,
        "code_challenge": generate_code_challenge(verifier, "S256"),
        "code_challenge_method": "S256",
    }
    start = endpoint(provider, "authorization")
    add_state_and_verifier_and_nonce_to_session(request, state, params, verifier)
    then = safe_next(request, request.GET.get("next", ""))
    request.session[STATES][state] |= {"provider": provider.slug, "then": then}
    request.session.modified = True
    return f"{start}{'&' if urlsplit(start).query else '?'}{urlencode(params)}"


def answer(request: HttpRequest, provider: Provider) -> Answer:
    """The provider's answer, once, if this browser has asked for it. Raises `Unproven` for any
    other, and `Refused` where the provider says no."""
    asked = request.session.get(STATES, {}).pop(request.GET.get("state", ""), None)
    if asked:
        request.session.save()  # at once: a second one like it finds nothing
    if not asked or not _fits(request, provider, asked):
        raise not_ours()
    if error := request.GET.get("error", ""):
        raise declined(provider, error)
    if not (code := request.GET.get("code", "")):
        raise not_ours()
    return Answer(provider, code, asked["nonce"], asked["code_verifier"], asked["then"])


def callback(provider: Provider) -> str:
    """Where the provider sends browsers back to: known to it, so independent of the request."""
    return settings.PORTAL_URL + reverse("oidc-callback", args=[provider.slug])


def safe_next(request: HttpRequest, address: str) -> str:
    """``address`` if it is one on this site, otherwise ""."""
    safe = url_has_allowed_host_and_scheme(
        address, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return address if safe else ""


def _fits(request: HttpRequest, provider: Provider, asked: dict[str, object]) -> bool:
    """Whether it is this provider's answer, in time. One that names itself (RFC 9207) is the one
    that was asked."""
    named = request.GET.get("iss", "")
    return (
        asked.get("provider") == provider.slug
        and time.time() - float(str(asked["added_on"])) < PATIENCE
        and (not named or not provider.issuer or named == provider.issuer)
    )


def _ask_again(provider: Provider) -> dict[str, str]:
    chooses = offers(provider, "prompt_values_supported", "select_account")
    return {"prompt": "select_account" if chooses else "login"}


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
