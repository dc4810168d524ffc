"""Issue API tokens, from the account page, the API and the command line.

Errors are Django's `ValidationError`, with messages by the name of the argument.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from keys.models import SCOPES, Token, latest_expiry
from portal.models import User

MAX_TOKENS = 100
"""Tokens per person, expired ones included; nobody keeps track of more."""


def issue(
    user: User, name: str, scopes: Collection[str] = tuple(SCOPES), expires: datetime | None = None
) -> tuple[Token, str]:
    """Make a token; return it with its secret, which is not stored. Raises `ValidationError`."""
    errors = {"scopes": _scopes_error(scopes), "expires": _expiry_error(expires)}
    if wrong := {field: text for field, text in errors.items() if text}:
        raise ValidationError(wrong)
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)  # so that concurrent requests are counted
        if Token.objects.filter(user=user).count() >= MAX_TOKENS:
            text = _(
                "You have %(most)d tokens, which is the maximum. Revoke some that you do not use."
            )
            raise ValidationError({"name": text % {"most": MAX_TOKENS}})
        return Token.objects.issue(user, name, scopes, expires)


def expiry_in_days(days: int) -> datetime:
    """Return when a token of this many days ends. Raises `ValidationError`."""
    if not 1 <= days <= settings.PORTAL_TOKEN_DAYS:
        text = _("A token lasts from 1 to %(most)d days.")
        raise ValidationError(text % {"most": settings.PORTAL_TOKEN_DAYS})
    return timezone.now() + timedelta(days=days)


def _scopes_error(scopes: Collection[str]) -> str:
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if scopes and not unknown:
        return ""
    known = ", ".join(SCOPES)
    if unknown:
        text = _("There is no scope “%(scope)s”. The scopes are: %(known)s.")
        return text % {"scope": unknown[0], "known": known}
    return _("Choose at least one scope: %(known)s.") % {"known": known}


def _expiry_error(expires: datetime | None) -> str:
    if expires is None:
        return ""
    if expires <= timezone.now():
        return _("This time is in the past. Choose a later one.")
    if expires > latest_expiry():
        text = _("A token lasts at most %(most)d days. Choose an earlier date.")
        return text % {"most": settings.PORTAL_TOKEN_DAYS}
    return ""
