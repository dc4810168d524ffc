"""Tell how a person signs in, and where each of their groups comes from.

The account page and the person's page in the admin show it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.translation import gettext as _

from portal.models import User
from portal.roles import TITLES


@dataclass(frozen=True)
class Membership:
    """A group of a person; ``source`` says who put them into it."""

    name: str
    source: str


@dataclass(frozen=True)
class SignInSummary:
    """The name of a person's identity provider, and their groups."""

    provider: str
    groups: list[Membership]


def sign_in_summary(user: User) -> SignInSummary:
    """Return how the person signs in and their groups, with one query."""
    provider = provider_of(user)
    claimed = set(user.claimed)
    names = user.groups.order_by("name").values_list("name", flat=True)
    return SignInSummary(provider, [_membership(name, name in claimed, provider) for name in names])


def template_context(user: User) -> dict[str, Any]:
    """Return the context of ``portal/_identity.html``."""
    return {"identity": sign_in_summary(user)}


def provider_of(user: User) -> str:
    """Return the name of the person's identity provider, or the words for a password."""
    return _name_of(user.issuer) if user.subject else _("a password for this portal")


def _membership(name: str, is_claimed: bool, provider: str) -> Membership:
    title = str(TITLES.get(name, name))
    if is_claimed:
        return Membership(title, _("from %(provider)s") % {"provider": provider})
    return Membership(title, _("added by staff"))


def _name_of(issuer: str) -> str:
    """Return the provider's name as on its button, otherwise the host of its address."""
    named = (each.name for each in settings.OIDC_PROVIDERS.values() if each.issuer == issuer)
    return next(named, urlsplit(issuer).hostname or issuer)
