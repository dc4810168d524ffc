"""Verify id tokens (OpenID Connect Core 3.1.3.7); pure, with no clock but PyJWT's.

mozilla-django-oidc checks signature, algorithm and nonce. This module also checks that the token is
from this issuer, for us and still valid, so none of the library's own checks are used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import jwt
from django.utils.crypto import constant_time_compare

ALGORITHM = "RS256"
"""The only one accepted: a client's secret could sign, too, and would prove nothing about the
provider.
"""
LEEWAY = 60
"""Seconds that two clocks may differ."""
MAX_LENGTH = 64 * 1024
REQUIRED_CLAIMS = ("iss", "sub", "aud", "exp", "iat")


class InvalidJwt(Exception):
    """A token that proves nothing; the text says why and quotes nothing of the token."""


def verify_id_token(
    token: object, key_set: object, *, audience: str, issuer: str, jwks_url: str, nonce: str | None
) -> dict[str, Any]:
    """Return the claims of an id token. Raises `InvalidJwt`.

    If the ``issuer`` is unknown, the token's issuer must be on the host that the keys are from.
    ``nonce`` is None for a refreshed token, which need not have one.
    """
    claims = verify_signature(token, key_set, audience=audience)
    if not _is_issuer(claims["iss"], issuer, jwks_url):
        raise InvalidJwt("it comes from another issuer")
    audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    party = claims.get("azp")
    if party not in {None, audience} or (len(audiences) > 1 and party is None):
        raise InvalidJwt("it was issued to another party")
    given = claims.get("nonce")
    if nonce is not None and not (isinstance(given, str) and constant_time_compare(given, nonce)):
        raise InvalidJwt("its nonce does not match")
    if not isinstance(claims["sub"], str) or not 0 < len(claims["sub"]) <= 255:
        raise InvalidJwt("it has no valid subject")
    return claims


def verify_signature(
    token: object,
    key_set: object,
    *,
    audience: str,
    required_claims: Sequence[str] = REQUIRED_CLAIMS,
) -> dict[str, Any]:
    """Return the claims of an unexpired token that one of the keys has signed for us.

    Raises `InvalidJwt`.
    """
    if not isinstance(token, str) or len(token) > MAX_LENGTH:
        raise InvalidJwt("it is missing or too long")
    try:
        return jwt.decode(
            token,
            _signing_key(token, key_set),
            algorithms=[ALGORITHM],
            audience=audience,
            leeway=LEEWAY,
            options={"require": list(required_claims)},
        )
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise InvalidJwt(f"{type(error).__name__}") from None


def _signing_key(token: str, key_set: object) -> jwt.PyJWK:
    """Return the key that the token names; if it names none, the only key in the set."""
    header = jwt.get_unverified_header(token)
    if header.get("alg") != ALGORITHM:
        raise InvalidJwt("it is signed with another algorithm")
    listed = key_set.get("keys") if isinstance(key_set, Mapping) else None
    keys = [key for key in listed or [] if isinstance(key, Mapping) and _can_sign(key)]
    if header.get("kid") is not None:
        keys = [key for key in keys if key.get("kid") == header["kid"]]
    if len(keys) != 1:
        raise InvalidJwt("the provider's key set has no key for it")
    return jwt.PyJWK(dict(keys[0]), algorithm=ALGORITHM)


def _can_sign(key: Mapping[str, Any]) -> bool:
    return (
        key.get("kty") == "RSA"
        and key.get("use", "sig") == "sig"
        and key.get("alg", ALGORITHM) == ALGORITHM
    )


def _is_issuer(given: object, issuer: str, jwks_url: str) -> bool:
    if not isinstance(given, str) or len(given) > 255:
        return False
    if issuer:
        return given == issuer
    try:
        return urlsplit(given)[:2] == urlsplit(jwks_url)[:2]
    except ValueError:
        return False
