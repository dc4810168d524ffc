"""Verify id tokens (OpenID Connect Core 3.1.3.7) and logout tokens (Back-Channel Logout 2.6).

mozilla-django-oidc checks signature, algorithm and nonce. This module also checks that the token is
from this issuer, for us and still valid, so none of the library's own checks are used.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import jwt
from django.utils.crypto import constant_time_compare

from portal.lib.text import storable

ALGORITHM = "RS256"
"""The only one accepted: a client's secret could sign, too, and would prove nothing about the
provider.
"""
LEEWAY = 60
"""Seconds that two clocks may differ."""
MAX_LENGTH = 192 * 1024
"""Characters of a token; one with a thousand long names of groups has about 100,000."""
REQUIRED_CLAIMS = ("iss", "sub", "aud", "exp", "iat")
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
MAX_KEYS = 8
"""Keys of a provider that are tried for one token."""
MAX_LOGOUT_AGE = 600
"""Seconds after which a logout token is too old; older providers give it no time of expiry."""


class InvalidJwt(Exception):
    """A token that proves nothing; the text says why and quotes nothing of the token."""


class WrongTime(InvalidJwt):
    """A token that is right but for its time.

    ``seconds`` is how far our clock is behind that of the issuer, who has just issued it; it is
    negative if ours is ahead.
    """

    def __init__(self, seconds: int) -> None:
        where = "behind" if seconds > 0 else "ahead of"
        super().__init__(f"our clock is {abs(seconds)} s {where} the provider's")
        self.seconds = seconds


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
    if not _is_name(claims["sub"]):
        raise InvalidJwt("it has no valid subject")
    return claims


def check_logout_token(token: str, *, audience: str, issuer: str) -> None:
    """Raise `InvalidJwt` for what cannot be a logout token for us, without any key.

    It proves nothing.
    """
    if len(token) > MAX_LENGTH:
        raise InvalidJwt("it is too long")
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise InvalidJwt(f"{type(error).__name__}") from None
    audiences = claims.get("aud")
    if audience not in (audiences if isinstance(audiences, list) else [audiences]):
        raise InvalidJwt("it was issued to another party")
    if issuer and claims.get("iss") != issuer:
        raise InvalidJwt("it comes from another issuer")
    _require_logout(claims)


def verify_logout_token(
    token: str, key_set: object, *, audience: str, issuer: str, jwks_url: str
) -> dict[str, Any]:
    """Return the claims of a logout token; ``sub`` and ``sid`` are texts if they are there.

    Raises `InvalidJwt`. ``issuer`` and ``jwks_url`` as in `verify_id_token`.
    """
    required = ("iss", "aud", "iat", "events")
    claims = verify_signature(token, key_set, audience=audience, required_claims=required)
    if not _is_issuer(claims["iss"], issuer, jwks_url):
        raise InvalidJwt("it comes from another issuer")
    if time.time() - float(claims["iat"]) > MAX_LOGOUT_AGE + LEEWAY:
        raise InvalidJwt("it is too old")
    _require_logout(claims)
    return claims


def _require_logout(claims: Mapping[str, Any]) -> None:
    """Raise `InvalidJwt` unless the claims say that somebody has signed out."""
    events = claims.get("events")
    if not isinstance(events, Mapping) or not isinstance(events.get(LOGOUT_EVENT), Mapping):
        raise InvalidJwt("it reports no sign-out")
    if "nonce" in claims:
        raise InvalidJwt("it has a nonce, as an id token has")
    named = [claims[name] for name in ("sub", "sid") if name in claims]
    if not named or not all(_is_name(name) for name in named):
        raise InvalidJwt("it names nobody")


def _is_name(value: object) -> bool:
    """Return whether this can name a person or a session: text that a database can look up."""
    return isinstance(value, str) and 0 < len(value) <= 255 and storable(value) == value


def verify_signature(
    token: object,
    key_set: object,
    *,
    audience: str,
    required_claims: Sequence[str] = REQUIRED_CLAIMS,
) -> dict[str, Any]:
    """Return the claims of an unexpired token that one of the keys has signed for us.

    Raises `InvalidJwt`, and `WrongTime` if only its times are wrong.
    """
    if not isinstance(token, str) or len(token) > MAX_LENGTH:
        raise InvalidJwt("it is missing or too long")
    options: Any = {"require": list(required_claims)}
    try:
        key = _signing_key(token, _possible_keys(token, key_set))
        given: Any = {"algorithms": [ALGORITHM], "audience": audience, "leeway": LEEWAY}
        try:
            return jwt.decode(token, key, **given, options=options)
        except (jwt.ExpiredSignatureError, jwt.ImmatureSignatureError) as error:
            options |= dict.fromkeys(("verify_exp", "verify_iat", "verify_nbf"), False)
            claims = jwt.decode(token, key, **given, options=options)
            _require_same_clock(claims)
            raise InvalidJwt(f"{type(error).__name__}") from None
    except (jwt.PyJWTError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
        raise InvalidJwt(f"{type(error).__name__}") from None


def _require_same_clock(claims: Mapping[str, Any]) -> None:
    """Raise `WrongTime` if the token was not issued at this time, as one that just came must be."""
    seconds = round(float(claims.get("iat", time.time())) - time.time())
    if abs(seconds) > LEEWAY:
        raise WrongTime(seconds)


def _possible_keys(token: str, key_set: object) -> list[dict[str, Any]]:
    """Return the keys that may have signed the token: those that it names, or any if it names none.

    A key without a name may be meant as well. Several may have one name, such as one for each way
    of use, or the next one while a provider changes its key.
    """
    header = jwt.get_unverified_header(token)
    if header.get("alg") != ALGORITHM:
        raise InvalidJwt("it is signed with another algorithm")
    listed = key_set.get("keys") if isinstance(key_set, Mapping) else None
    keys = [dict(key) for key in listed or [] if isinstance(key, Mapping) and _can_sign(key)]
    named = [key for key in keys if key.get("kid") == header.get("kid")]
    unnamed = keys if header.get("kid") is None else [key for key in keys if key.get("kid") is None]
    return (named or unnamed)[:MAX_KEYS]


def _signing_key(token: str, keys: Sequence[dict[str, Any]]) -> jwt.PyJWK:
    """Return the one of these keys that has signed the token."""
    for each in keys:
        with suppress(jwt.InvalidSignatureError, jwt.InvalidKeyError):
            key = jwt.PyJWK(each, algorithm=ALGORITHM)
            jwt.PyJWS().decode(token, key, algorithms=[ALGORITHM])
            return key
    raise InvalidJwt("the provider's key set has no key for it")


def _can_sign(key: Mapping[str, Any]) -> bool:
    """Return whether this may be a key for signatures; what it says as null, it does not say."""
    return (
        key.get("kty") == "RSA"
        and key.get("use") in ("sig", None)
        and key.get("alg") in (ALGORITHM, None)
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
