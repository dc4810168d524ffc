"""Find or create the person behind proven claims, choose their user name, and set their groups.

People are found by issuer and subject, never by name or mail address. A new name is safe as a path,
a label and the name of a volume, and never somebody else's.

Groups and roles from the provider stand beside those that staff gave by hand. ``User.claimed``
records what came from the provider; only that is ever taken away, and only by an answer that says
which groups there are. Besides groups it holds our own words ``staff`` and ``superuser`` for the
two flags of the row.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from portal import roles
from portal.models import Erasure, UsedName, User
from quotas.models import LimitSet
from sessions.names import owner_slug

from . import signins
from .claims import (
    Claims,
    Identity,
    Policy,
    account_label,
    fit_group_name,
    is_allowed,
    memberships,
    parse_identity,
    stated_fields,
)
from .errors import AccountNotAllowed, AddressNotSent, GroupsNotSent
from .provider import Provider

TRIES = 10
UPDATED_FIELDS = [
    "email",
    "first_name",
    "last_name",
    "is_staff",
    "is_superuser",
    "claimed",
    "vouched_until",
]


def sync_user(provider: Provider, claims: Claims) -> User:
    """Return the person's row, created at the first sign-in and updated with the present claims.

    Where the claims do not say which groups there are, the known ones stay, and so do address and
    names. Raises `AccountNotAllowed` if the site's rules exclude the person: then no row is
    created, and their open sign-ins end; but without an address nothing says that its domain does.
    """
    policy = settings.OIDC_POLICY
    identity, named = parse_identity(claims, policy), memberships(claims, policy, provider.prefix)
    known = _known_groups(identity) if named.missing else frozenset()
    if not is_allowed(claims, policy, provider.prefix, known):
        by_group = bool(policy.allow_groups or policy.allow_entitlements)
        refusal = GroupsNotSent if named.missing and by_group else AccountNotAllowed
        if policy.allow_mail_domains and claims.get("email") is None:
            refusal = AddressNotSent
        else:
            _end_sign_ins(identity)
        raise refusal(provider, account_label(claims))
    with transaction.atomic():
        user = _find_user(identity) or _create_user(identity)
        for name, value in stated_fields(claims, identity).items():
            setattr(user, name, value)
        sync_groups(user, named.names, policy, is_whole=not named.missing)
        user.vouched_until = vouched_until()
        user.save(update_fields=UPDATED_FIELDS)
    return user


def _known_groups(identity: Identity) -> frozenset[str]:
    """Return the groups that the provider named the last time that it named any."""
    mine = User.objects.filter(issuer=identity.issuer, subject=identity.subject)
    return frozenset(mine.values_list("claimed", flat=True).first() or ()) - RESERVED_NAMES


def vouch(user: User) -> None:
    """Record that the provider still stands for this person, and says no more than that."""
    User.objects.filter(pk=user.pk).update(vouched_until=vouched_until())


def vouched_until() -> datetime:
    """Return until when a provider's present answer counts."""
    return timezone.now() + timedelta(days=settings.OIDC_VOUCH_DAYS)


def _find_user(identity: Identity) -> User | None:
    """Return the person's row, locked so that two sign-ins at once do not mix their groups."""
    mine = User.objects.filter(issuer=identity.issuer, subject=identity.subject)
    return mine.select_for_update().first()


def _create_user(identity: Identity) -> User:
    """Create the row.

    Two at once may want the same name, or be the same person: the database decides, and the loser
    looks again.
    """
    for _try in range(TRIES):
        try:
            with transaction.atomic():
                return User.objects.create_user(
                    free_username(identity),
                    identity.email,
                    issuer=identity.issuer,
                    subject=identity.subject,
                )
        except (IntegrityError, ValidationError):  # the name was taken, or erased, just now
            if found := _find_user(identity):
                return found
    raise RuntimeError(f"no free name in {TRIES} tries")


def _end_sign_ins(identity: Identity) -> None:
    if user := User.objects.filter(issuer=identity.issuer, subject=identity.subject).first():
        signins.end_all(user)


MAX_USERNAME = 40
RESERVED_USERNAMES = frozenset(
    {
        *("admin", "administrator", "moderator", "operator", "staff", "superuser", "support"),
        *("bindery", "git", "jovyan", "owner", "portal", "root", "shared", "system", "viewer"),
        *("api", "hostmaster", "postmaster", "security", "webmaster", "www"),
        *("anonymous", "guest", "nobody", "none", "null", "test"),
    }
)
"""Names that nobody gets: their owner would be taken for somebody else."""


def free_username(identity: Identity) -> str:
    """Return the best name that nobody has or had.

    Only creating the row takes it: two callers may get the same one.
    """
    return next(name for name in _candidates(identity) if not is_taken(name))


def is_taken(name: str) -> bool:
    """Return whether somebody has or had this name, or is or was known by it (`owner_slug`)."""
    called = Q(username__iexact=name) | Q(username__iexact=owner_slug(name))
    known_by = Q(name__iexact=name) | Q(name__iexact=owner_slug(name))
    return (
        User.objects.filter(called).exists()
        or UsedName.objects.filter(known_by).exists()
        or UsedName.objects.is_used_by_other(name)
        or Erasure.objects.is_reserved(name)
    )


def safe_username(text: str) -> str:
    """Return the text in small letters and digits, with single ``-``, ``.`` or ``_`` between them.

    May be empty.
    """
    plain = unicodedata.normalize("NFKD", text.replace("ß", "ss"))
    ascii_ = "".join(c for c in plain if not unicodedata.combining(c)).lower()
    tidy = re.sub(r"[^a-z0-9._-]+", "-", ascii_)
    tidy = re.sub(r"[._-]*-[._-]*|([._])[._]+", lambda m: m[1] or "-", tidy)
    return tidy[:MAX_USERNAME].strip("-._")


def _candidates(identity: Identity) -> Iterator[str]:
    names = [name for called in identity.username_candidates if (name := safe_username(called))]
    good = [name for name in dict.fromkeys(names) if name not in RESERVED_USERNAMES]
    for name in good[:1]:
        yield name
        yield from (f"{name}-{number}" for number in range(2, 10))
        yield f"{name}-{_digest(identity)[:10]}"
    yield f"person-{_digest(identity)[:10]}"
    yield f"person-{_digest(identity)}"


def _digest(identity: Identity) -> str:
    return hashlib.sha256(f"{identity.issuer} {identity.subject}".encode()).hexdigest()[:32]


STAFF, SUPERUSER = "staff", "superuser"
RESERVED_NAMES = frozenset({*roles.ROLES, STAFF, SUPERUSER})
"""No claim puts anybody into a group with one of these names: only `Policy.roles` gives roles."""


MAX_GROUPS = 200
"""How many of a person's groups are stored."""


def sync_groups(user: User, names: Iterable[str], policy: Policy, *, is_whole: bool = True) -> None:
    """Set groups, roles and the two flags; the caller has locked the person's row and saves it.

    All names count for roles; the `MAX_GROUPS` most relevant ones are stored. Unless ``names`` is
    the whole list, the groups and roles that the provider gave before stay.
    """
    before = set(user.claimed)
    has = set(user.groups.values_list("name", flat=True))
    by_hand = has - before
    named = set(names) if is_whole else before.union(names)
    given = _roles_of(named, policy)
    if not is_whole:
        given |= _roles_of(has, policy) & before
    relevant = _most_relevant(named - RESERVED_NAMES, before, policy)
    wanted = _joinable(relevant, policy) | (given & roles.ROLES.keys())
    user.groups.remove(*Group.objects.filter(name__in=(before & has) - wanted))
    for name in sorted(wanted - has):
        user.groups.add(_group(name))
    _set_flags(user, given, before, by_hand | wanted)
    marks = {mark for mark in (STAFF, SUPERUSER) if mark in user.claimed}
    user.claimed = sorted((wanted - by_hand) | marks)


def _roles_of(names: Iterable[str], policy: Policy) -> set[str]:
    return {role for name in names for role in policy.roles.get(name, frozenset())}


def _most_relevant(names: set[str], before: set[str], policy: Policy) -> set[str]:
    """Return at most `MAX_GROUPS` names.

    Those that decide something here come first, then those that the person has.
    """
    if len(names) <= MAX_GROUPS:
        return names
    deciding = policy.roles.keys() | {fit_group_name(name) for name in policy.allow_groups}
    deciding |= {fit_group_name(name) for name in policy.allow_entitlements}
    with_limits = LimitSet.objects.exclude(group=None).values_list("group__name", flat=True)
    deciding |= set(with_limits)
    order = sorted(names, key=lambda name: (name not in deciding, name not in before, name))
    return set(order[:MAX_GROUPS])


def _joinable(names: set[str], policy: Policy) -> set[str]:
    """Return the names whose group grants no permissions.

    Whoever names groups elsewhere must not be able to grant permissions here.
    """
    rights = Group.objects.filter(name__in=names, permissions__isnull=False)
    return names - (set(rights.values_list("name", flat=True)) - policy.roles.keys())


def _group(name: str) -> Group:
    return (
        roles.ensure_group(name)
        if name in roles.ROLES
        else Group.objects.get_or_create(name=name)[0]
    )


def _set_flags(user: User, given: set[str], before: set[str], groups: set[str]) -> None:
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
