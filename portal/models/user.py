"""People and their sign-ins by identity providers.

A sign-in by an identity provider: what it takes to ask the provider again.

The person: one row for everyone who signs in.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from auditlog.context import disable_auditlog
from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from portal.lib.db import Moment
from portal.models.erasure import Erasure
from portal.models.usedname import TAKEN, UsedName


class SignInQuerySet(models.QuerySet["SignIn"]):
    def due(self) -> SignInQuerySet:
        """Those whose provider is to be asked now."""
        return self.filter(due__lte=timezone.now())


class SignIn(models.Model):
    """``browser`` is the key of the portal session that it opened. ``sealed`` is the refresh
    token, encrypted, empty where the provider gave none. ``due``: when the provider is asked
    next; whoever asks moves it first, so that nobody else does."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="sign_ins")
    provider = models.CharField(max_length=50)
    browser = models.CharField(max_length=64, unique=True)
    sealed = models.TextField(blank=True)
    created = models.DateTimeField(default=timezone.now)
    refreshed = models.DateTimeField(default=timezone.now)
    due = models.DateTimeField(db_index=True)

    objects = SignInQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.user_id} by {self.provider}"


FIRST, TOLD = timedelta(minutes=5), timedelta(days=14)
"""A password from so soon after the account was made came with it; others are told for so long."""


def may_enter(person: str = "", now: Moment | None = None) -> models.Q:
    """The condition for whom pages, API, sockets and gateway let in: `User.may_enter`, for
    queries. ``person`` is the way to the user from the rows that are asked for, ``now`` the moment
    at which."""
    way = f"{person}__" if person else ""
    vouched = models.Q(**{f"{way}vouched_until": None}) | models.Q(
        **{f"{way}vouched_until__gt": now or timezone.now()}
    )
    return vouched & models.Q(**{f"{way}is_active": True})


class User(AbstractUser):
    """``issuer`` and ``subject`` are the identity provider's names for this person (OpenID
    Connect: both together never change); empty for an account with a password here.
    ``vouched_until``: what the provider has said of this person last counts up to then; None
    where no provider is asked. ``claimed`` are the groups that the provider has put them into.
    ``signed_out``: no sign-in from before this moment counts any more. ``password_given`` is when
    staff last set a password for them, ``password_chosen`` when they last chose one. ``volume``
    names the volume with their files, "" until they need one; it stays when they are renamed
    (`sessions.lifecycle.files`)."""

    issuer = models.CharField(_("issuer"), max_length=255, blank=True, editable=False)
    subject = models.CharField(_("subject"), max_length=255, blank=True, editable=False)
    vouched_until = models.DateTimeField(_("vouched for until"), null=True, editable=False)
    claimed = models.JSONField(_("groups by the provider"), default=list, editable=False)
    signed_out = models.DateTimeField(_("signed out everywhere"), null=True, editable=False)
    password_given = models.DateTimeField(
        _("password set by staff"), null=True, blank=True, editable=False
    )
    password_chosen = models.DateTimeField(
        _("password chosen"), null=True, blank=True, editable=False
    )
    volume = models.CharField(
        _("volume"), max_length=63, blank=True, db_default="", default="", editable=False
    )

    class Meta(AbstractUser.Meta):
        permissions = [
            ("disable_user", _("Can disable and enable people")),
            ("sign_out_user", _("Can sign people out everywhere")),
            ("erase_user", _("Can erase people")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["issuer", "subject"],
                condition=~models.Q(subject=""),
                name="one_user_for_each_identity",
            ),
            models.UniqueConstraint(
                fields=["volume"], condition=~models.Q(volume=""), name="one_user_for_each_volume"
            ),
        ]
        indexes = [models.Index(fields=["-last_login", "username"], name="users_by_last_login")]

    @property
    def may_enter(self) -> bool:
        """Whether the portal lets this person in at all: see the function of that name."""
        vouched = self.vouched_until is None or self.vouched_until > timezone.now()
        return self.is_active and vouched

    @property
    def must_choose_password(self) -> bool:
        """Whether the password is one that staff have set: it is good for choosing another."""
        chosen, given = self.password_chosen, self.password_given
        return given is not None and (chosen is None or chosen < given)

    @property
    def is_told_of_password(self) -> bool:
        """Whether pages say that staff have set a password: for some days, and not to whoever was
        given their first one."""
        given = self.password_given
        if given is None or given - self.date_joined < FIRST:
            return False
        return timezone.now() - given < TOLD

    def check_password(self, raw_password: str | None) -> bool:
        """One that is right may be stored anew, in a way that is usual by now: no change of it."""
        with disable_auditlog():
            return super().check_password(raw_password)

    def clean(self) -> None:
        super().clean()
        before = User.objects.filter(pk=self.pk, username=self.username)
        if not before.exists():
            self._require_free_name()

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Whichever way somebody comes in or is renamed: nobody gets the name, and so the files, of
        somebody else who has it, had it once or was erased. Raises `ValidationError`."""
        only = kwargs.get("update_fields")
        if not self._state.adding and only is not None and "username" not in only:
            super().save(*args, **kwargs)
            return
        before = User.objects.filter(pk=self.pk).values_list("username", flat=True).first()
        if before == self.username:
            super().save(*args, **kwargs)
        else:
            self._save_name(before, *args, **kwargs)

    def _save_name(self, before: str | None, *args: Any, **kwargs: Any) -> None:
        """Save a new person, or one under a new name: both names are theirs alone."""
        self._require_free_name()
        with transaction.atomic():
            super().save(*args, **kwargs)
            for name in filter(None, (before, self.username)):
                UsedName.objects.note(name, self)

    def _require_free_name(self) -> None:
        """Raise `ValidationError` for a name that somebody had; that there is one, and that nobody
        has it now, is asked elsewhere, and a form has none where that has failed."""
        if not self.username:
            return
        if Erasure.objects.has_taken(self.username):
            message = _("Somebody had this name who was erased; nobody gets it again.")
            raise ValidationError({"username": message})
        if UsedName.objects.of_others(self.username, self):
            raise ValidationError({"username": TAKEN})

    def get_session_auth_hash(self) -> str:
        """What a sign-in is bound to: it ends with the password, or when staff end them all."""
        return self._since_signed_out(super().get_session_auth_hash())

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        plain = super().get_session_auth_fallback_hash()
        for secret, each in zip(settings.SECRET_KEY_FALLBACKS, plain, strict=True):
            yield self._since_signed_out(each, secret)

    def _since_signed_out(self, plain: str, secret: str | None = None) -> str:
        if self.signed_out is None:
            return plain
        value = plain + self.signed_out.isoformat()
        return salted_hmac(
            "bindery.signed_out", value, secret=secret, algorithm="sha256"
        ).hexdigest()
