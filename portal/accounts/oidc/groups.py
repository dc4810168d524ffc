"""Set a person's groups and roles from the provider's, beside those that staff gave by hand.

``User.claimed`` records what came from the provider; only that is ever taken away. Besides groups
it holds our own words ``staff`` and ``superuser`` for the two flags of the row.
"""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth.models import Group

from portal import roles
from portal.models import User

from .policy import Policy

STAFF, SUPERUSER = "staff", "superuser"
OURS = frozenset({*roles.ROLES, STAFF, SUPERUSER})
"""No claim puts anybody into a group with one of these names: only `Policy.roles` gives roles."""


def settle(user: User, names: Iterable[str], policy: Policy) -> None:
    """Set groups, roles and the two flags; the caller has locked the person's row and saves it."""
    before = set(user.claimed)
    has = set(user.groups.values_list("name", flat=True))
    by_hand = has - before
    named = set(names)
    given = {role for name in named for role in policy.roles.get(name, frozenset())}
    wanted = _joinable(named - OURS, policy) | (given & roles.ROLES.keys())
    user.groups.remove(*Group.objects.filter(name__in=(before & has) - wanted))
    for name in sorted(wanted - has):
        user.groups.add(_group(name))
    _mark(user, given, before, by_hand | wanted)
    marks = {mark for mark in (STAFF, SUPERUSER) if mark in user.claimed}
    user.claimed = sorted((wanted - by_hand) | marks)


def _joinable(names: set[str], policy: Policy) -> set[str]:
    """Return the names whose group grants no permissions.

    Whoever names groups elsewhere must not be able to grant permissions here.
    """
    rights = Group.objects.filter(name__in=names, permissions__isnull=False)
    return names - (set(rights.values_list("name", flat=True)) - policy.roles.keys())


def _group(name: str) -> Group:
    return roles.ensure(name) if name in roles.ROLES else Group.objects.get_or_create(name=name)[0]


def _mark(user: User, given: set[str], before: set[str], groups: set[str]) -> None:
    """Set or clear the two flags; clear only those that a claim has set."""
    claimed = set(user.claimed) - {STAFF, SUPERUSER}
    if SUPERUSER in given and (not user.is_superuser or SUPERUSER in before):
        user.is_superuser = True
        claimed.add(SUPERUSER)
    elif SUPERUSER in before:
        user.is_superuser = False
    if given and (not user.is_staff or STAFF in before):
        user.is_staff = True
        claimed.add(STAFF)
    elif STAFF in before:
        user.is_staff = bool(groups & roles.ROLES.keys()) or user.is_superuser
    user.claimed = sorted(claimed)
