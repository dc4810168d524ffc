"""Passwords that staff set for people: valid once, to choose another, and announced to the person.

Otherwise, whoever may set passwords could act as anybody for as long as they like, and nobody would
know. People who sign in with such a password get no session before they have chosen their own:
`allow_choosing` and `user_choosing_password` keep who is choosing, and `portal.pages.sign_in` asks
for the new password.
"""

from __future__ import annotations

import time
from typing import Any

from django.contrib.auth.forms import AdminPasswordChangeForm, SetPasswordForm
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _

from portal.mail import outbox
from portal.models import User

CHOOSER_KEY = "chooses_password"
CHOICE_SECONDS = 15 * 60
"""Time that a person has to choose."""


class StaffPasswordForm(AdminPasswordChangeForm):  # type: ignore[type-arg]
    """Django's form for staff; ``by`` sets the password.

    Setting one's own counts as choosing it, and nobody is written to.
    """

    def __init__(self, user: User, *args: Any, by: User, **kwargs: Any) -> None:
        super().__init__(user, *args, **kwargs)
        self.by = by

    @transaction.atomic
    def save(self, commit: bool = True) -> User:
        user: User = super().save(commit=False)
        is_given = record_setter(user, self.by)
        if commit:
            user.save()
            if is_given:
                notify(user, "password_given")
        return user


class ChoosePasswordForm(SetPasswordForm):  # type: ignore[type-arg]
    """The form for people who came in with a password that staff have set."""

    def clean_new_password1(self) -> str:
        """Return the chosen password. Raises `ValidationError` if it is the one that staff set."""
        chosen: str = self.cleaned_data["new_password1"]
        if self.user.check_password(chosen):
            raise ValidationError(
                _("This is the password that staff set for you. Choose a different one.")
            )
        return chosen

    @transaction.atomic
    def save(self, commit: bool = True) -> User:
        self.user.password_chosen = timezone.now()
        user: User = super().save(commit)
        notify(user, "password_chosen")
        return user


def record_setter(user: User, by: User) -> bool:
    """Record on an unsaved row who set its password; return whether it was staff.

    The other case is that the person set their own.
    """
    if user.pk == by.pk:
        user.password_chosen = timezone.now()
        return False
    if user.has_usable_password():
        user.password_given = timezone.now()
        return True
    return False


def notify(user: User, template: str, address: str = "") -> None:
    """Write to the person, or to the ``address`` that they had until now."""
    at = date_format(timezone.localtime(), "DATETIME_FORMAT")
    key = f"{template.replace('_', '-')}-{user.pk}-{time.time_ns()}"
    outbox.post(key, user, template, {"at": at}, address)


def allow_choosing(request: HttpRequest, user: User) -> None:
    """Note in a browser's session, in which nobody is signed in, who may choose a password."""
    request.session[CHOOSER_KEY] = [user.pk, user.get_session_auth_hash(), time.time()]


def user_choosing_password(request: HttpRequest) -> User | None:
    """Return who may choose a password in this browser, or None.

    None once they have chosen, another password was set, or they took too long.
    """
    pk, known, began = request.session.get(CHOOSER_KEY) or (0, "", 0.0)
    user = User.objects.filter(pk=int(pk)).first()
    if user is None or not user.may_enter or not user.must_choose_password:
        return None
    is_same = constant_time_compare(known, user.get_session_auth_hash())
    return user if is_same and time.time() - began < CHOICE_SECONDS else None
