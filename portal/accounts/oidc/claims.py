"""Translate a provider's claims into our terms, by the site's policy: pure functions of both.

The policy, for names, groups, roles and who is let in, is from the environment: `settings` reads it
once.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from portal.lib.env import Environment

ROLE_VARIABLES = {
    "OIDC_VIEWERS": "viewer",
    "OIDC_SUPPORT": "support",
    "OIDC_OPERATORS": "operator",
    "OIDC_SUPERUSERS": "superuser",
}
_ADDRESS = re.compile(r"[^\s@,;:<>()\[\]\"\\]+@[^\s@,;:<>()\[\]\"\\]+")
"""One plain address: no list of them, no name beside it, no quoted part (RFC 5321, 4.1.2)."""
_MAX_ADDRESS = 254
KEEP_OR_NONE = frozenset({"keep", "none"})


@dataclass(frozen=True)
class Policy:
    """The site's policy for claims.

    ``roles`` maps a group's name to the roles that it gives. Any one of the three ``allow_…`` lets
    a person in; if all are empty, everybody may enter. ``absent_is_none`` means that an answer
    without any of the ``groups_claims`` is about a person without groups.
    """

    username_claim: str = "preferred_username"
    groups_claims: tuple[str, ...] = ("groups", "eduperson_entitlement")
    roles: dict[str, frozenset[str]] = field(default_factory=dict)
    allow_groups: frozenset[str] = frozenset()
    allow_entitlements: frozenset[str] = frozenset()
    allow_mail_domains: frozenset[str] = frozenset()
    absent_is_none: bool = False

    @property
    def allows_everybody(self) -> bool:
        """Return whether no rule restricts who may enter."""
        return not (self.allow_groups or self.allow_entitlements or self.allow_mail_domains)


def read_policy(environment: Environment) -> Policy:
    """Return the policy that the variables set.

    Group names may contain blanks, so only commas separate them; one with a comma, such as the
    name of a directory's entry, stands in double quotes.
    """
    roles: dict[str, frozenset[str]] = {}
    for variable, role in ROLE_VARIABLES.items():
        for group in _comma_separated(environment, variable):
            name = fit_group_name(group)
            roles[name] = roles.get(name, frozenset()) | {role}
    domains = _comma_separated(environment, "OIDC_ALLOW_MAIL_DOMAINS")
    return Policy(
        username_claim=environment.text("OIDC_USERNAME_CLAIM").strip() or Policy.username_claim,
        groups_claims=tuple(_comma_separated(environment, "OIDC_GROUPS_CLAIM"))
        or Policy.groups_claims,
        roles=roles,
        allow_groups=frozenset(_comma_separated(environment, "OIDC_ALLOW_GROUPS")),
        allow_entitlements=frozenset(_comma_separated(environment, "OIDC_ALLOW_ENTITLEMENTS")),
        allow_mail_domains=frozenset(each.lower().lstrip("@") for each in domains),
        absent_is_none=environment.choice("OIDC_ABSENT_GROUPS", "keep", KEEP_OR_NONE) == "none",
    )


def _comma_separated(environment: Environment, name: str) -> list[str]:
    rows = csv.reader(environment.text(name).splitlines(), skipinitialspace=True)
    return [each.strip() for row in rows for each in row if each.strip()]


Claims = Mapping[str, Any]

MAX_GROUP_NAME = 150
"""Longest name of a Django group, in characters."""
ENTITLEMENTS = "eduperson_entitlement"


@dataclass(frozen=True)
class Identity:
    """A person as the provider knows them.

    ``username_candidates`` are candidates for their user name, the best first.
    """

    issuer: str
    subject: str
    username_candidates: tuple[str, ...]
    email: str
    first_name: str
    last_name: str


def parse_identity(claims: Claims, policy: Policy) -> Identity:
    """Return the identity in proven claims, which have an issuer and a subject."""
    email = _address(claims)
    names = (clean_text(claims.get(policy.username_claim)), email.partition("@")[0], claims["sub"])
    return Identity(
        issuer=claims["iss"],
        subject=claims["sub"],
        username_candidates=tuple(name for name in names if name),
        email=email,
        first_name=clean_text(claims.get("given_name") or claims.get("name"))[:150],
        last_name=clean_text(claims.get("family_name"))[:150],
    )


def stated_fields(claims: Claims, identity: Identity) -> dict[str, str]:
    """Return the fields of a person's row of which the claims say something.

    A provider may leave out, in a refreshed token, the address and names that it sends at sign-in.
    """
    stated = {}
    if any(isinstance(claims.get(name), str) for name in ("given_name", "family_name", "name")):
        stated = {"first_name": identity.first_name, "last_name": identity.last_name}
    if identity.email or claims.get("email") == "":
        stated["email"] = identity.email
    return stated


class Missing(StrEnum):
    """Why an answer does not say which groups a person is in."""

    OVERAGE = "overage"
    """There are too many to send, which the provider says (OpenID Connect Core 5.6.2)."""
    UNREADABLE = "unreadable"
    ABSENT = "absent"


@dataclass(frozen=True)
class Memberships:
    """The groups in an answer, by their names here.

    ``missing`` says why there may be others, "" if these are all: then whatever is not among them
    is over.
    """

    names: tuple[str, ...] = ()
    missing: Missing | str = ""


def memberships(claims: Claims, policy: Policy, prefix: str = "") -> Memberships:
    """Return the groups that the provider puts the person into, each once."""
    named = group_names(claims, policy, prefix)
    return Memberships(tuple(named), _why_missing(claims, policy))


def group_names(claims: Claims, policy: Policy, prefix: str = "") -> list[str]:
    """Return the groups that an answer names, by their names here; each once."""
    claimed = [claim for claim in policy.groups_claims if not _is_spelled_list(_raw(claims, claim))]
    names = [name for claim in claimed for name in claim_values(claims, claim)]
    return list(dict.fromkeys(fit_group_name(prefix + name) for name in names))


def _why_missing(claims: Claims, policy: Policy) -> Missing | str:
    if any(_is_overage(claims, claim) for claim in policy.groups_claims):
        return Missing.OVERAGE
    given = [_raw(claims, claim) for claim in policy.groups_claims]
    given = [value for value in given if value is not None]
    if not all(_is_list_of_texts(value) for value in given):
        return Missing.UNREADABLE
    return "" if given or policy.absent_is_none else Missing.ABSENT


def _is_overage(claims: Claims, claim: str) -> bool:
    """Return whether the provider says that it left this claim out for its length.

    ``_claim_names`` lists claims to be fetched elsewhere; Microsoft Entra ID also has
    ``hasgroups``, where tokens have to be short.
    """
    elsewhere = claims.get("_claim_names")
    name = claim.partition(".")[0]
    is_elsewhere = isinstance(elsewhere, Mapping) and not {claim, name}.isdisjoint(elsewhere)
    return is_elsewhere or (claim == "groups" and str(claims.get("hasgroups")).lower() == "true")


def _is_spelled_list(value: object) -> bool:
    """Return whether a claim is a list written as one text, such as Amazon Cognito's ``[a, b]``.

    Nobody can tell its commas from those in a name, and a group may have such a name.
    """
    return isinstance(value, str) and value.strip().startswith("[") and value.strip().endswith("]")


def _is_list_of_texts(value: object) -> bool:
    if _is_spelled_list(value):
        return False
    values = value if isinstance(value, list) else [value]
    return all(isinstance(each, str) for each in values)


def is_allowed(
    claims: Claims, policy: Policy, prefix: str = "", known: frozenset[str] = frozenset()
) -> bool:
    """Return whether the site lets this person in: one of the rules that are set must hold.

    ``known`` are groups that the person is in although the claims do not name them.
    """
    if policy.allows_everybody:
        return True
    named = known.union(group_names(claims, policy, prefix))
    entitlements = known.union(map(fit_group_name, claim_values(claims, ENTITLEMENTS)))
    return (
        not named.isdisjoint(map(fit_group_name, policy.allow_groups))
        or not entitlements.isdisjoint(map(fit_group_name, policy.allow_entitlements))
        or _domain(claims) in policy.allow_mail_domains
    )


def account_label(claims: Claims) -> str:
    """Return the name by which people recognise the account that they came with."""
    for claim in ("email", "preferred_username", "name", "sub"):
        if name := clean_text(claims.get(claim)):
            return name[:100]
    return ""


def claim_values(claims: Claims, name: str) -> list[str]:
    """Return the texts of a claim.

    A claim may be one text or a list, and may be nested in another (``a.b``).
    """
    value = _raw(claims, name)
    values = value if isinstance(value, list) else [value]
    return [found for each in values if (found := clean_text(each))]


def _raw(claims: Claims, name: str) -> Any:
    """Return a claim as it was sent, None if it was not."""
    value: Any = claims.get(name)
    if value is None and "." in name:
        value = claims
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    return value


def clean_text(value: object) -> str:
    """Return a text on one line, without characters that a database or a page could not hold.

    Anything but a text becomes "".
    """
    if not isinstance(value, str):
        return ""
    return " ".join("".join(c if c.isprintable() else " " for c in value).split())


def fit_group_name(name: str) -> str:
    """Return the name, shortened to what a group can have; a hash keeps shortened names apart."""
    if len(name) <= MAX_GROUP_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    return f"{name[: MAX_GROUP_NAME - 13]}-{digest}"


def _domain(claims: Claims) -> str:
    """Return the domain of the mail address, unless the provider calls the address unverified."""
    verified = claims.get("email_verified", True)
    if verified is False or str(verified).lower() == "false":
        return ""
    return _address(claims).partition("@")[2].lower()


def _address(claims: Claims) -> str:
    """Return the one mail address of the person; "" if there is none, or anything else."""
    email = clean_text(claims.get("email"))
    return email if len(email) <= _MAX_ADDRESS and _ADDRESS.fullmatch(email) else ""
