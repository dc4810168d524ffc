"""The site's policy for claims: names, groups, roles, and who is let in. From the environment.

`settings` reads it once; `claims` and `groups` obey it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from portal.lib.env import Environment

ROLES = {
    "OIDC_VIEWERS": "viewer",
    "OIDC_SUPPORT": "support",
    "OIDC_OPERATORS": "operator",
    "OIDC_SUPERUSERS": "superuser",
}


@dataclass(frozen=True)
class Policy:
    """The site's policy for claims.

    ``roles`` maps a group's name to the roles that it gives. Any one of the three ``allow_…`` lets
    a person in; if all are empty, everybody may enter.
    """

    username_claim: str = "preferred_username"
    groups_claims: tuple[str, ...] = ("groups", "eduperson_entitlement")
    roles: dict[str, frozenset[str]] = field(default_factory=dict)
    allow_groups: frozenset[str] = frozenset()
    allow_entitlements: frozenset[str] = frozenset()
    allow_mail_domains: frozenset[str] = frozenset()

    @property
    def allows_everybody(self) -> bool:
        return not (self.allow_groups or self.allow_entitlements or self.allow_mail_domains)


def policy(environment: Environment) -> Policy:
    """Return the policy that the variables set.

    Group names may contain blanks, so only commas separate them.
    """
    roles: dict[str, frozenset[str]] = {}
    for variable, role in ROLES.items():
        for group in _listed(environment, variable):
            roles[group] = roles.get(group, frozenset()) | {role}
    domains = _listed(environment, "OIDC_ALLOW_MAIL_DOMAINS")
    return Policy(
        username_claim=environment.text("OIDC_USERNAME_CLAIM").strip() or Policy.username_claim,
        groups_claims=tuple(_listed(environment, "OIDC_GROUPS_CLAIM")) or Policy.groups_claims,
        roles=roles,
        allow_groups=frozenset(_listed(environment, "OIDC_ALLOW_GROUPS")),
        allow_entitlements=frozenset(_listed(environment, "OIDC_ALLOW_ENTITLEMENTS")),
        allow_mail_domains=frozenset(each.lower().lstrip("@") for each in domains),
    )


def _listed(environment: Environment, name: str) -> list[str]:
    return [each.strip() for each in environment.text(name).split(",") if each.strip()]
