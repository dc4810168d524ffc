"""Read the identity providers from the environment. Only `settings` calls `read_providers`.

A single provider is set by ``OIDC_RP_CLIENT_ID`` and so on. Several are named in
``OIDC_PROVIDERS``, and each has ``OIDC_<NAME>_RP_CLIENT_ID`` and so on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from portal.lib.env import Environment

DEFAULT_SLUG = "provider"
"""Slug of a single provider in its addresses."""
ENDPOINT_VARIABLES = {
    "authorization": "OP_AUTHORIZATION_ENDPOINT",
    "token": "OP_TOKEN_ENDPOINT",
    "userinfo": "OP_USER_ENDPOINT",
    "keys": "OP_JWKS_ENDPOINT",
    "logout": "OP_LOGOUT_ENDPOINT",
    "revocation": "OP_REVOCATION_ENDPOINT",
    "groups": "OP_GROUPS_ENDPOINT",
}
REQUIRED_ENDPOINTS = ("authorization", "token", "keys")
PROVIDER_VARIABLES = ("RP_CLIENT_ID", "RP_CLIENT_SECRET", "OP_ISSUER", *ENDPOINT_VARIABLES.values())
"""If any of these is set, a provider is meant."""


@dataclass(frozen=True)
class Provider:
    """An identity provider.

    ``slug`` is in its addresses here, ``name`` on its button. ``endpoints`` are those set by hand,
    by the names in `ENDPOINT_VARIABLES`; the others come from the description of ``issuer``.
    ``prefix`` is put before the name of each of its groups. ``group_field`` is the key of a group's
    name in the answer of its endpoint for groups.
    """

    slug: str
    name: str
    client_id: str
    client_secret: str = field(repr=False)
    issuer: str = ""
    endpoints: dict[str, str] = field(default_factory=dict)
    scopes: str = "openid email profile"
    prefix: str = ""
    group_field: str = "id"
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def is_set_by_hand(self) -> bool:
        """Return whether it can be used without its own description."""
        return all(self.endpoints.get(name) for name in REQUIRED_ENDPOINTS)


def is_oidc_configured(environment: Environment) -> bool:
    """Return whether somebody wants to use a provider, even if it is misconfigured."""
    return bool(environment.text("OIDC_PROVIDERS").strip()) or _is_configured(environment, "OIDC_")


def read_providers(environment: Environment) -> dict[str, Provider]:
    """Return the usable providers by slug; problems are recorded (portal.E010 … E014)."""
    words = environment.words("OIDC_PROVIDERS")
    if not words:
        found = (
            [_read(environment, "OIDC_", DEFAULT_SLUG)]
            if _is_configured(environment, "OIDC_")
            else []
        )
    else:
        slugs = [word for word in words if _is_slug(environment, word)]
        found = [_read(environment, f"OIDC_{variable_part(slug)}_", slug) for slug in slugs]
    return {provider.slug: provider for provider in found if provider}


def variable_part(slug: str) -> str:
    """Return the provider's name in the names of variables."""
    return slug.upper().replace("-", "_")


def _is_configured(environment: Environment, start: str) -> bool:
    names = [start + sign for sign in PROVIDER_VARIABLES]
    return any(environment.variables.get(name + end) for name in names for end in ("", "_FILE"))


def _is_slug(environment: Environment, word: str) -> bool:
    fits = re.fullmatch(r"[a-z][a-z0-9-]{0,39}", word) is not None
    if not fits:
        hint = "Use lower-case letters, digits and hyphens, such as campus."
        environment.add_problem("portal.E014", "OIDC_PROVIDERS", f"contains “{word}”", hint)
    return fits


def _read(environment: Environment, start: str, slug: str) -> Provider | None:
    """Return the provider whose variables begin with ``start``; None if it cannot be used."""
    problems = len(environment.problems)
    client_id = _required(environment, "portal.E010", f"{start}RP_CLIENT_ID")
    secret = _required(environment, "portal.E011", f"{start}RP_CLIENT_SECRET")
    issuer = _address(environment, f"{start}OP_ISSUER")
    given = {name: _address(environment, start + end) for name, end in ENDPOINT_VARIABLES.items()}
    endpoints = {name: address for name, address in given.items() if address}
    if not issuer and any(
        not environment.text(start + ENDPOINT_VARIABLES[each]) for each in REQUIRED_ENDPOINTS
    ):
        hint = "Set the provider's issuer, or all of its endpoints."
        environment.add_problem("portal.E013", f"{start}OP_ISSUER", "is missing", hint)
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
        group_field=environment.text(f"{start}GROUPS_FIELD").strip() or Provider.group_field,
        extra=dict(parse_qsl(environment.text(f"{start}AUTH_REQUEST_EXTRA_PARAMS"))),
    )


def _required(environment: Environment, id_: str, name: str) -> str:
    value = environment.text(name).strip()
    if not value:
        hint = "Set it to the value that the provider's staff gave you for this portal."
        environment.add_problem(id_, name, "is missing", hint)
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
        environment.add_problem(
            "portal.E012", name, f"is “{value}”", "Use an address such as https://…."
        )
        return ""
    return value


def _scopes(text: str) -> str:
    """Add “openid”: without it, it would not be OpenID Connect."""
    words = text.replace(",", " ").split()
    return " ".join(words if "openid" in words else ["openid", *words])
