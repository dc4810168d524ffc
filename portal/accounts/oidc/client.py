"""Call an identity provider: its description, tokens, user info and keys.

Endpoints are set by hand or come from the provider's own description (OpenID Connect Discovery).
The description is fetched when it is first needed, never at start: a provider that is away must
not keep the portal from starting.

mozilla-django-oidc makes most of the calls; this module interprets the answers. Errors and log
lines never contain any part of a token or a code.

Every call has `OIDC_TIMEOUT` and goes through the provider's gate: a provider that is silent holds
a few of the threads that answer pages, never all of them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import requests
from django.conf import settings
from django.core.cache import cache
from mozilla_django_oidc.auth import OIDCAuthenticationBackend
from mozilla_django_oidc.utils import import_from_settings

from portal.lib.gate import Gate, GateClosed

from . import idtoken
from .errors import (
    ClocksDiffer,
    ProviderUnavailable,
    provider_refused,
    provider_unavailable,
    unverified_response,
)
from .groups_endpoint import add_groups
from .provider import Provider

METADATA_CACHE_SECONDS = 3600
"""Seconds for which a description is cached."""
METADATA_KEYS = {
    "authorization": "authorization_endpoint",
    "token": "token_endpoint",
    "userinfo": "userinfo_endpoint",
    "keys": "jwks_uri",
    "logout": "end_session_endpoint",
    "revocation": "revocation_endpoint",
}

RESPONSE_ERRORS = (requests.RequestException, ValueError, RecursionError, GateClosed)
"""Errors for an answer that does not come, or makes no sense."""

MAX_WAITING = 16
"""Calls of a process to one provider at once: half of the threads that answer requests."""
PAUSE_SECONDS = 5.0
"""Seconds without a call to a provider that did not answer in time."""


def guard(provider: Provider) -> AbstractContextManager[None]:
    """Return the context of one call to the provider. Entering it raises `GateClosed`."""
    return _gate(provider.slug, provider.issuer).guard(requests.Timeout)


@lru_cache
def _gate(slug: str, issuer: str) -> Gate:
    return Gate(f"the identity provider {slug}", PAUSE_SECONDS, MAX_WAITING)


logger = logging.getLogger(__name__)


def endpoint(provider: Provider, name: str) -> str:
    """Return the address of an endpoint, "" if the provider has none.

    Raises `ProviderUnavailable`.
    """
    if provider.is_set_by_hand:
        return provider.endpoints.get(name, "")
    return provider.endpoints.get(name) or _web_address(
        provider_metadata(provider).get(METADATA_KEYS[name])
    )


def supports(provider: Provider, what: str, value: str) -> bool:
    """Return whether the list ``what`` of the description has ``value``.

    Raises `ProviderUnavailable`.
    """
    listed = {} if provider.is_set_by_hand else provider_metadata(provider)
    return value in (listed.get(what) or [])


def provider_metadata(provider: Provider) -> Mapping[str, Any]:
    """Return the provider's description of itself, cached.

    Raises `ProviderUnavailable`, also if it names another issuer: then it is not the provider that
    is meant.
    """
    key = f"oidc.description.{provider.slug}.{provider.issuer}"
    found: dict[str, Any] | None = cache.get(key)
    if found is None:
        found = fetch_metadata(provider)
        cache.set(key, found, METADATA_CACHE_SECONDS)
    return found


def fetch_metadata(provider: Provider) -> dict[str, Any]:
    """Return what `provider_metadata` returns, but never from the cache. Raises the same."""
    address = f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration"
    try:
        with guard(provider):
            answer = requests.get(address, timeout=settings.OIDC_TIMEOUT)
        answer.raise_for_status()
        found = answer.json()
    except RESPONSE_ERRORS as error:
        logger.warning(
            "%s: cannot fetch the provider metadata at %s: %s",
            provider.slug,
            address,
            type(error).__name__,
        )
        raise provider_unavailable(provider) from None
    if not isinstance(found, dict) or found.get("issuer") != provider.issuer:
        logger.error("%s: the provider metadata at %s names another issuer", provider.slug, address)
        raise provider_unavailable(provider)
    return found


def _web_address(value: object) -> str:
    is_one = isinstance(value, str) and value.startswith(("https://", "http://"))
    return str(value) if is_one else ""


@dataclass(frozen=True)
class Tokens:
    """The answer of the token endpoint; "" for each token that it lacks."""

    id_token: str = field(default="", repr=False)
    access_token: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)


class Client(OIDCAuthenticationBackend):  # type: ignore[misc]  # published without types
    """The portal as a client of one provider.

    All calls raise `ProviderUnavailable` if the provider does not answer as it should.
    """

    def __init__(self, provider: Provider) -> None:
        self.provider = provider
        self.uses_basic_auth = _prefers_basic_auth(provider)
        self.OIDC_OP_TOKEN_ENDPOINT = endpoint(provider, "token")
        self.OIDC_OP_USER_ENDPOINT = endpoint(provider, "userinfo")
        self.OIDC_OP_JWKS_ENDPOINT = endpoint(provider, "keys")

    def get_settings(self, attr: str, *default: Any) -> Any:
        if attr == "OIDC_TOKEN_USE_BASIC_AUTH":
            return self.uses_basic_auth
        return import_from_settings(attr, *default)

    def exchange_code(self, code: str, verifier: str, callback: str) -> Tokens:
        """Return the tokens for a code.

        Raises `ProviderRefused` if it is invalid or was used before.
        """
        given = {"code": code, "code_verifier": verifier, "redirect_uri": callback}
        return self._request_tokens(grant_type="authorization_code", **given)

    def refresh(self, token: str) -> Tokens:
        """Return new tokens for a refresh token.

        Raises `ProviderRefused` if that is no longer valid.
        """
        return self._request_tokens(grant_type="refresh_token", refresh_token=token)

    def claims(self, tokens: Tokens, nonce: str | None = None) -> dict[str, Any]:
        """Return the proven claims about the person.

        Empty if the provider says nothing; only a refresh may accept that. Raises
        `UnverifiedResponse`.
        """
        proven = self.verify_token(tokens.id_token, nonce=nonce) if tokens.id_token else {}
        more = self._userinfo(tokens) if self.OIDC_OP_USER_ENDPOINT and tokens.access_token else {}
        if more and proven and more.get("sub") != proven["sub"]:
            logger.warning(
                "%s: userinfo and the id token name different subjects", self.provider.slug
            )
            raise unverified_response(self.provider)
        found = {**proven, **more, **{name: proven[name] for name in ("iss", "sub") if proven}}
        if not found:
            return found
        return add_groups(found, self.provider, settings.OIDC_POLICY, tokens.access_token)

    def verify_token(self, token: str, **kwargs: Any) -> dict[str, Any]:
        """Return the claims of a token, verified more strictly than the library does.

        With ``nonce`` it is an id token, without it a signed userinfo response. Raises
        `UnverifiedResponse`, and `ProviderUnavailable` if the signing keys cannot be fetched.
        """
        ours = {"audience": self.provider.client_id}
        try:
            if "nonce" not in kwargs:  # a signed userinfo response
                return idtoken.verify_signature(
                    token, self.keys(), required_claims=("sub",), **ours
                )
            where = {"issuer": self.provider.issuer, "jwks_url": self.OIDC_OP_JWKS_ENDPOINT}
            return idtoken.verify_id_token(
                token, self.keys(), nonce=kwargs["nonce"], **ours, **where
            )
        except idtoken.WrongTime as why:
            logger.warning("%s: rejected a token: %s", self.provider.slug, why)
            raise ClocksDiffer(self.provider, why.seconds) from None
        except idtoken.InvalidJwt as why:
            logger.warning("%s: rejected a token: %s", self.provider.slug, why)
            raise unverified_response(self.provider) from None

    def _request_tokens(self, **payload: str) -> Tokens:
        ours = {"client_id": self.provider.client_id, "client_secret": self.provider.client_secret}
        try:
            answer = self._post_token_request({**ours, **payload})
        except requests.HTTPError as error:
            raise self._refusal_error(error) from None
        except RESPONSE_ERRORS as error:
            raise self._unavailable("tokens", error) from None
        if not isinstance(answer, dict):
            raise self._unavailable("tokens", ValueError())
        names = ("id_token", "access_token", "refresh_token")
        return Tokens(**{name: answer[name] for name in names if isinstance(answer.get(name), str)})

    def _post_token_request(self, payload: dict[str, str]) -> Any:
        """Authenticate in the header or in the form; if refused, try the other.

        Some providers know only one way.
        """
        try:
            with guard(self.provider):
                return self.get_token(dict(payload))
        except requests.HTTPError as error:
            if _oauth_error_code(error) != "invalid_client":
                raise
        self.uses_basic_auth = not self.uses_basic_auth
        with guard(self.provider):
            return self.get_token(dict(payload))

    def _refusal_error(self, error: requests.HTTPError) -> Exception:
        """Return the error for a refusal.

        Only ``invalid_grant`` is about the person; all others are about the provider or the portal.
        """
        if _oauth_error_code(error) == "invalid_grant":
            return provider_refused(self.provider)
        return self._unavailable("tokens", error)

    def _userinfo(self, tokens: Tokens) -> dict[str, Any]:
        try:
            with guard(self.provider):
                found = self.get_userinfo(tokens.access_token, tokens.id_token, None)
        except RESPONSE_ERRORS as error:
            raise self._unavailable("userinfo", error) from None
        if not isinstance(found, dict) or not isinstance(found.get("sub"), str):
            raise self._unavailable("userinfo", ValueError())
        return found

    def keys(self) -> Any:
        """Return the provider's signing keys (a JWK set). Raises `ProviderUnavailable`."""
        try:
            with guard(self.provider):
                answer = requests.get(self.OIDC_OP_JWKS_ENDPOINT, timeout=settings.OIDC_TIMEOUT)
            answer.raise_for_status()
            return answer.json()
        except RESPONSE_ERRORS as error:
            raise self._unavailable("keys", error) from None

    def _unavailable(self, what: str, error: Exception) -> Exception:
        """Log the problem and return the error.

        The text of ``error`` is left out: it may quote the answer.
        """
        reason = _oauth_error_code(error) or type(error).__name__
        logger.warning("%s: cannot fetch %s: %s", self.provider.slug, what, reason)
        return provider_unavailable(self.provider)


def revoke(provider: Provider, refresh_token: str) -> None:
    """Ask the provider to revoke a refresh token, if it can (RFC 7009).

    A failure is logged and not retried.
    """
    try:
        address = endpoint(provider, "revocation")
        if address:
            data = {"token": refresh_token, "token_type_hint": "refresh_token"}
            ours = (provider.client_id, provider.client_secret)
            if not _prefers_basic_auth(provider):
                data |= {"client_id": ours[0], "client_secret": ours[1]}
            auth = ours if _prefers_basic_auth(provider) else None
            with guard(provider):
                requests.post(address, data=data, auth=auth, timeout=settings.OIDC_TIMEOUT)
    except (requests.RequestException, ProviderUnavailable, GateClosed) as error:
        logger.warning("%s: could not revoke a token: %s", provider.slug, type(error).__name__)


def _prefers_basic_auth(provider: Provider) -> bool:
    """Return whether to authenticate in the header, the default of OpenID Connect Core 9."""
    methods = "token_endpoint_auth_methods_supported"
    header, form = (
        supports(provider, methods, f"client_secret_{way}") for way in ("basic", "post")
    )
    return header or not form


def _oauth_error_code(error: Exception) -> str:
    """Return the error code of a refusal (RFC 6749, 5.2), "" if there is none."""
    response = getattr(error, "response", None)
    try:
        said: Mapping[str, Any] = response.json() if response is not None else {}
        code = said.get("error")
    except (ValueError, AttributeError, RecursionError):
        return ""
    return code if isinstance(code, str) and len(code) < 60 and code.isprintable() else ""
