"""The person behind proven claims: found by issuer and subject, never by name or address."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from portal.models import User
from portal.oidc import claims as said
from portal.oidc import groups, signins, usernames
from portal.oidc.claims import Claims, Identity
from portal.oidc.problems import NotLetIn
from portal.oidc.provider import Provider

TRIES = 10
KEPT = ["email", "first_name", "last_name", "is_staff", "is_superuser", "claimed", "vouched_until"]


def admit(provider: Provider, claims: Claims) -> User:
    """The person's row, made at the first sign-in, with all that is claimed of them now.

    Raises `NotLetIn` where the site's rule leaves them out: then no row is made, and what was
    open to them here ends.
    """
    who = said.identity(claims, settings.OIDC_POLICY)
    if not said.allowed(claims, settings.OIDC_POLICY, provider.prefix):
        _turn_away(who)
        raise NotLetIn(provider, said.account(claims))
    with transaction.atomic():
        user = _known(who) or _made(who)
        user.email, user.first_name, user.last_name = who.email, who.first_name, who.last_name
        named = said.groups(claims, settings.OIDC_POLICY, provider.prefix)
        groups.settle(user, named, settings.OIDC_POLICY)
        user.vouched_until = vouched_until()
        user.save(update_fields=KEPT)
    return user


def vouch(user: User) -> None:
    """The provider still stands for this person, and says no more than that."""
    User.objects.filter(pk=user.pk).update(vouched_until=vouched_until())


def vouched_until() -> datetime:
    """For how long it counts what a provider says now."""
    return timezone.now() + timedelta(days=settings.OIDC_VOUCH_DAYS)


def _known(who: Identity) -> User | None:
    """Locked, so that two sign-ins at once do not mix their groups."""
    mine = User.objects.filter(issuer=who.issuer, subject=who.subject)
    return mine.select_for_update().first()


def _made(who: Identity) -> User:
    """A new row. Two at once may want the same name, or be the same person: the database decides,
    and the other one looks again."""
    for _try in range(TRIES):
        try:
            with transaction.atomic():
                return User.objects.create_user(
                    usernames.free(who), who.email, issuer=who.issuer, subject=who.subject
                )
        except (IntegrityError, ValidationError):  # the name was taken, or erased, just now
            if found := _known(who):
                return found
    raise RuntimeError(f"no free name in {TRIES} tries")


def _turn_away(who: Identity) -> None:
    if user := User.objects.filter(issuer=who.issuer, subject=who.subject).first():
        signins.end_all(user)
