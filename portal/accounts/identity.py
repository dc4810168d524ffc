"""Who somebody is here: by whom they sign in, and where each of their groups is from.

For the account page and for the person's page in the admin.
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
    """``whence``: who put them into the group, in words."""

    name: str
    whence: str


@dataclass(frozen=True)
class Who:
    provider: str
    groups: list[Membership]


def who(user: User) -> Who:
    """One query, for the groups."""
    provider = provider_of(user)
    claimed = set(user.claimed)
    names = user.groups.order_by("name").values_list("name", flat=True)
    return Who(provider, [_membership(name, name in claimed, provider) for name in names])


def own(user: User) -> dict[str, Any]:
    """The context of ``portal/_who.html``."""
    return {"who": who(user)}


def provider_of(user: User) -> str:
    """What the one is called by whom they sign in."""
    return _name_of(user.issuer) if user.subject else _("a password of this portal")


def _membership(name: str, is_claimed: bool, provider: str) -> Membership:
    shown = str(TITLES.get(name, name))
    if is_claimed:
        return Membership(shown, _("from %(provider)s") % {"provider": provider})
    return Membership(shown, _("given by staff"))


def _name_of(issuer: str) -> str:
    """The provider's name as its button has it, else whose address it is."""
    named = (each.name for each in settings.OIDC_PROVIDERS.values() if each.issuer == issuer)
    return next(named, urlsplit(issuer).hostname or issuer)
