"""Sign in at an identity provider, and sign out again.

Signing in uses the authorization code flow with PKCE, state and nonce, kept in the session.
mozilla-django-oidc keeps the states. Each also has the provider it is for and the page its tab
wants, so that the answer of another provider or of another tab cannot take its place.

Signing out ends the sign-in here and at the provider (OpenID Connect RP-Initiated Logout).
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
from .claims import Claims
from .client import Tokens, endpoint, supports
from .errors import ProviderUnavailable, authorization_declined, unexpected_response
from .provider import Provider

STATES = "oidc_states"
SIGN_IN_SECONDS = 3600
"""Seconds that people may spend at the provider."""


@dataclass
class AuthorizationResponse:
    """A provider's answer, with the secrets that only the browser that had asked knows.

    `backends` redeems it and adds the ``tokens`` and the proven ``claims``.
    """

    provider: Provider
    code: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    next_url: str = ""
    tokens: Tokens = field(default_factory=Tokens)
    claims: Claims = field(default_factory=dict, repr=False)


def authorization_url(
    request: HttpRequest, provider: Provider, *, select_account: bool = False
) -> str:
    """Return the address at the provider to send this browser to.

    ``select_account`` has the provider ask who it is even if it knows. Raises
    `ProviderUnavailable`.
    """
    state, nonce, verifier = (get_random_string(length) for length in (32, 32, 64))
    params = {
        **provider.extra,
        **(_prompt(provider) if select_account else {}),
        "response_type": "code",
        "scope": provider.scopes,
        "client_id": provider.client_id,
        "redirect_uri": callback_url(provider),
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


def take_response(request: HttpRequest, provider: Provider) -> AuthorizationResponse:
    """Return the provider's answer, once, if this browser has asked for it.

    Raises `UnverifiedResponse` for any other answer, and `ProviderRefused` if the provider says no.
    """
    pending = request.session.get(STATES, {}).pop(request.GET.get("state", ""), None)
    if pending:
        request.session.save()  # now, so that a repeated response finds nothing
    if not pending or not _fits(request, provider, pending):
        raise unexpected_response()
    if error := request.GET.get("error", ""):
        raise authorization_declined(provider, error)
    if not (code := request.GET.get("code", "")):
        raise unexpected_response()
    return AuthorizationResponse(
        provider, code, pending["nonce"], pending["code_verifier"], pending["then"]
    )


def callback_url(provider: Provider) -> str:
    """Return where the provider sends browsers back to.

    It is registered with the provider, so it does not depend on the request.
    """
    return settings.PORTAL_URL + reverse("oidc-callback", args=[provider.slug])


def safe_next(request: HttpRequest, address: str) -> str:
    """Return ``address`` if it is on this site, otherwise ""."""
    safe = url_has_allowed_host_and_scheme(
        address, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return address if safe else ""


def _fits(request: HttpRequest, provider: Provider, pending: dict[str, object]) -> bool:
    """Return whether it is an answer of this provider, in time.

    An answer that names its issuer (RFC 9207) must name the provider that was asked.
    """
    named = request.GET.get("iss", "")
    return (
        pending.get("provider") == provider.slug
        and time.time() - float(str(pending["added_on"])) < SIGN_IN_SECONDS
        and (not named or not provider.issuer or named == provider.issuer)
    )


def _prompt(provider: Provider) -> dict[str, str]:
    chooses = supports(provider, "prompt_values_supported", "select_account")
    return {"prompt": "select_account" if chooses else "login"}


SALT = "bindery.oidc.leaving"
LIFE = 3600
"""Seconds for which the state of the way back is valid."""
MAX_HINT = 4000
"""Characters of an id token that still fits into an address; one with many groups does not."""


@dataclass(frozen=True)
class SignOutRedirect:
    """Where to send the browser next.

    ``ends_provider_session`` is true if the provider ends its sign-in, too.
    """

    provider: Provider
    address: str
    ends_provider_session: bool


def sign_out_redirect(browser: SessionBase) -> SignOutRedirect | None:
    """Return where to send the browser next, or None if no provider opened the session.

    Call it before the session ends.
    """
    opened = signins.provider_of_session(browser)
    provider = settings.OIDC_PROVIDERS.get(opened[0]) if opened else None
    if opened is None or provider is None:
        return None
    try:
        logout = endpoint(provider, "logout")
    except ProviderUnavailable:
        logout = ""
    if not logout:
        return SignOutRedirect(
            provider,
            f"{signed_out_url(provider)}?{_state(there=False)}",
            ends_provider_session=False,
        )
    hint = {"id_token_hint": opened[1]} if 0 < len(opened[1]) <= MAX_HINT else {}
    params = {
        **hint,
        "client_id": provider.client_id,
        "post_logout_redirect_uri": settings.PORTAL_URL + signed_out_url(provider),
    }
    link = "&" if urlsplit(logout).query else "?"
    address = f"{logout}{link}{urlencode(params)}&{_state(there=True)}"
    return SignOutRedirect(provider, address, ends_provider_session=True)


def signed_out_url(provider: Provider) -> str:
    """Return where browsers arrive after signing out; it is registered with the provider."""
    return reverse("oidc-signed-out", args=[provider.slug])


def ended_provider_session(state: str) -> bool | None:
    """Return whether the sign-in at the provider ended, too.

    None if nobody has just been signed out.
    """
    try:
        there: bool = signing.loads(state, salt=SALT, max_age=LIFE)
    except signing.BadSignature:
        return None
    return there


def _state(*, there: bool) -> str:
    return urlencode({"state": signing.dumps(there, salt=SALT)})
