"""Read the identity providers from the environment. Only `settings` calls `providers`.

A single provider is set by ``OIDC_RP_CLIENT_ID`` and so on. Several are named in
``OIDC_PROVIDERS``, and each has ``OIDC_<NAME>_RP_CLIENT_ID`` and so on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from portal.lib.env import Environment

ONLY = "provider"
"""Slug of a single provider in its addresses."""
ENDPOINTS = {
    "authorization": "OP_AUTHORIZATION_ENDPOINT",
    "token": "OP_TOKEN_ENDPOINT",
    "userinfo": "OP_USER_ENDPOINT",
    "keys": "OP_JWKS_ENDPOINT",
    "logout": "OP_LOGOUT_ENDPOINT",
    "revocation": "OP_REVOCATION_ENDPOINT",
}
NEEDED = ("authorization", "token", "keys")
SIGNS = ("RP_CLIENT_ID", "RP_CLIENT_SECRET", "OP_ISSUER", *ENDPOINTS.values())
"""If any of these is set, a provider is meant."""


@dataclass(frozen=True)
class Provider:
    """An identity provider.

    ``slug`` is in its addresses here, ``name`` on its button. ``endpoints`` are those set by hand,
    by the names in `ENDPOINTS`; the others come from the description of ``issuer``. ``prefix`` is
    put before the name of each of its groups.
    """

    slug: str
    name: str
    client_id: str
    client_secret: str = field(repr=False)
    issuer: str = ""
    endpoints: dict[str, str] = field(default_factory=dict)
    scopes: str = "openid email profile"
    prefix: str = ""
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def is_set_by_hand(self) -> bool:
        """Whether it can be used without its own description."""
        return all(self.endpoints.get(name) for name in NEEDED)


def any_is_meant(environment: Environment) -> bool:
    """Return whether somebody wants to use a provider, even if it is misconfigured."""
    return bool(environment.text("OIDC_PROVIDERS").strip()) or _is_meant(environment, "OIDC_")


def providers(environment: Environment) -> dict[str, Provider]:
    """Return the usable providers by slug; problems are recorded (portal.E010 … E014)."""
    words = environment.words("OIDC_PROVIDERS")
    if not words:
        found = [_read(environment, "OIDC_", ONLY)] if _is_meant(environment, "OIDC_") else []
    else:
        slugs = [word for word in words if _is_slug(environment, word)]
        found = [_read(environment, f"OIDC_{variable(slug)}_", slug) for slug in slugs]
    return {provider.slug: provider for provider in found if provider}


def variable(slug: str) -> str:
    """Return the provider's name in the names of variables."""
    return slug.upper().replace("-", "_")


def _is_meant(environment: Environment, start: str) -> bool:
    names = [start + sign for sign in SIGNS]
    return any(environment.variables.get(name + end) for name in names for end in ("", "_FILE"))


def _is_slug(environment: Environment, word: str) -> bool:
    fits = re.fullmatch(r"[a-z][a-z0-9-]{0,39}", word) is not None
    if not fits:
        hint = "Give names of small letters, digits and -, such as campus."
        environment.wrong("portal.E014", "OIDC_PROVIDERS", f"has “{word}”", hint)
    return fits


def _read(environment: Environment, start: str, slug: str) -> Provider | None:
    """Return the provider whose variables begin with ``start``; None if it cannot be used."""
    problems = len(environment.problems)
    client_id = _needed(environment, "portal.E010", f"{start}RP_CLIENT_ID")
    secret = _needed(environment, "portal.E011", f"{start}RP_CLIENT_SECRET")
    issuer = _address(environment, f"{start}OP_ISSUER")
    given = {name: _address(environment, start + end) for name, end in ENDPOINTS.items()}
    endpoints = {name: address for name, address in given.items() if address}
    if not issuer and any(not environment.text(start + ENDPOINTS[each]) for each in NEEDED):
        hint = "Give the provider's issuer, or all of its endpoints."
        environment.wrong("portal.E013", f"{start}OP_ISSUER", "is missing", hint)
    if len(environment.problems) > problems:
        return None
    host = urlsplit(issuer or endpoints["authorization"]).hostname or slug
    return Provider(
        slug=slug,
        name=environment.text(f"{start}NAME").strip() or host,
        client_id=client_id,
        client_secret=secret,
        issuer=issuer,
        endpoints=endpoints,
        scopes=_scopes(environment.text(f"{start}RP_SCOPES", Provider.scopes)),
        prefix=environment.text(f"{start}GROUP_PREFIX"),
        extra=dict(parse_qsl(environment.text(f"{start}AUTH_REQUEST_EXTRA_PARAMS"))),
    )


def _needed(environment: Environment, id_: str, name: str) -> str:
    value = environment.text(name).strip()
    if not value:
        hint = "Give what the provider's staff gave you for this portal."
        environment.wrong(id_, name, "is missing", hint)
    return value


def _address(environment: Environment, name: str) -> str:
    """Return an http(s) address, otherwise "".

    It is kept as it is: an issuer may end in a slash or not.
    """
    value = environment.text(name).strip()
    try:
        parts = urlsplit(value)
        fits = parts.scheme in {"http", "https"} and bool(parts.hostname) and not parts.fragment
    except ValueError:
        fits = False
    if value and not fits:
        environment.wrong("portal.E012", name, f"is “{value}”", "Give an address, https://….")
        return ""
    return value


def _scopes(text: str) -> str:
    """Add “openid”: without it, it would not be OpenID Connect."""
    words = text.replace(",", " ").split()
    return " ".join(words if "openid" in words else ["openid", *words])
