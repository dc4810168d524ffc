"""Link accounts to other identities: when a provider gives people new subjects, or is replaced.

An identity is a provider's issuer with a subject; whoever comes with it gets the account linked to
it, with all projects and files. `join` links one account to the identity of another, which is
closed. `move_provider` links all accounts of a provider before anybody signs in with the new one.

The audit records each change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from django.db import transaction
from django.utils.translation import gettext as _

from portal.accounts import manage
from portal.models import User
from portal.roles import may_change
from sessions.errors import NotAllowed, StateConflict
from sessions.models import Project

MAX_SUBJECT = 255


def may_join(by: User, account: User) -> bool:
    """Return whether ``by`` may link this account to another identity.

    Whoever has that identity can read all the files, so only superusers may, as with the password
    of somebody who signs in with a provider; and nobody may for their own account.
    """
    return by.is_superuser and by.pk != account.pk and may_change(by, account)


def join(account: User, other: User, by: User) -> None:
    """Link ``account`` to the identity of ``other``, which is closed and keeps its name.

    Both are signed out; at the next sign-in, the person is ``account``. Raises `NotAllowed`, and
    `StateConflict` where ``other`` has no identity, or projects that would be out of reach.
    """
    if not (may_join(by, account) and may_join(by, other)) or account.pk == other.pk:
        raise NotAllowed("accounts.join", _("You may not join these two accounts."))
    with transaction.atomic():
        locked = {
            user.pk: user
            for user in User.objects.select_for_update()
            .filter(pk__in=[account.pk, other.pk])
            .order_by("pk")
        }
        account, other = locked[account.pk], locked[other.pk]
        _require_joinable(other)
        issuer, subject, until = other.issuer, other.subject, other.vouched_until
        _set_identity(other, "", "")
        manage.revoke_access(other)
        _set_identity(account, issuer, subject)
        account.vouched_until = until
        account.save(update_fields=["vouched_until"])
        manage.sign_out(account)


def _require_joinable(other: User) -> None:
    if not other.subject:
        message = _("%(name)s does not sign in with a provider, so there is no identity to take.")
        raise StateConflict("accounts.no-identity", message % {"name": other.username})
    if Project.objects.kept().filter(owner=other).exists():
        message = _(
            "%(name)s has projects, which nobody could reach any more. Have them deleted for good "
            "first; what is in the volume stays."
        )
        raise StateConflict("accounts.in-use", message % {"name": other.username})


def _set_identity(user: User, issuer: str, subject: str) -> None:
    user.issuer, user.subject = issuer, subject
    user.save(update_fields=["issuer", "subject"])


@dataclass
class Move:
    """The result of `move_provider`, by usernames.

    ``taken`` are accounts whose new identity already has an account, named behind it.
    """

    moved: list[str] = field(default_factory=list)
    unmapped: list[str] = field(default_factory=list)
    taken: list[tuple[str, str]] = field(default_factory=list)


def move_provider(
    old: str, new: str, subjects: Mapping[str, str] | None = None, *, dry_run: bool = False
) -> Move:
    """Link the accounts of the issuer ``old`` to ``new``; ``subjects`` maps old to new subjects.

    Without ``subjects``, they stay the same. Accounts whose subject is not mapped are left alone.
    May be repeated. Everybody who is moved is signed out.
    """
    result = Move()
    with transaction.atomic():
        people = User.objects.select_for_update().filter(issuer=old).exclude(subject="")
        for user in people.order_by("pk"):
            subject = user.subject if subjects is None else subjects.get(user.subject, "")
            _move(user, new, subject, result, dry_run=dry_run)
    return result


def _move(user: User, issuer: str, subject: str, result: Move, *, dry_run: bool) -> None:
    if not 0 < len(subject) <= MAX_SUBJECT:
        result.unmapped.append(user.username)
        return
    there = User.objects.filter(issuer=issuer, subject=subject).exclude(pk=user.pk).first()
    if there:
        result.taken.append((user.username, there.username))
        return
    if not dry_run:
        _set_identity(user, issuer, subject)
        manage.sign_out(user)
    result.moved.append(user.username)
