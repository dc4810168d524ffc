"""People, with one row for everyone who signs in, and their sign-ins by identity providers."""

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

from portal.lib.db import TimeOrParam
from portal.models.erasure import TAKEN, Erasure, UsedName


class SignInQuerySet(models.QuerySet["SignIn"]):
    """Queries for sign-ins."""

    def due(self) -> SignInQuerySet:
        """Return the sign-ins whose provider is to be asked now."""
        return self.filter(due__lte=timezone.now())


class SignIn(models.Model):
    """A sign-in by an identity provider, with what is needed to ask the provider again.

    ``browser`` is the key of the portal session that it opened. ``sealed`` is the encrypted refresh
    token, empty if the provider gave none. ``due`` is when the provider is asked next; whoever asks
    moves it first, so that nobody else does. ``provider_session`` is the SHA-256 digest of the
    provider's number for its own session, "" if it gave none. ``groups_missing`` says why the last
    answer did not name all groups, "" if it did.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="sign_ins")
    provider = models.CharField(max_length=50)
    browser = models.CharField(max_length=64, unique=True)
    sealed = models.TextField(blank=True)
    created = models.DateTimeField(default=timezone.now)
    refreshed = models.DateTimeField(default=timezone.now)
    due = models.DateTimeField(db_index=True)
    provider_session = models.CharField(
        max_length=64, blank=True, default="", db_default="", db_index=True
    )
    groups_missing = models.CharField(max_length=16, blank=True, default="", db_default="")

    objects = SignInQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.user_id} by {self.provider}"


FIRST_PASSWORD_WINDOW, PASSWORD_NOTICE_PERIOD = timedelta(minutes=5), timedelta(days=14)
"""A password set within ``FIRST_PASSWORD_WINDOW`` of creating the account came with it. Others are
shown for ``PASSWORD_NOTICE_PERIOD``.
"""


def may_enter(person: str = "", now: TimeOrParam | None = None) -> models.Q:
    """Return the condition for people whom pages, API, sockets and gateway let in.

    It is `User.may_enter` for queries. ``person`` is the lookup path from the queried rows to the
    user, ``now`` the time to check for.
    """
    prefix = f"{person}__" if person else ""
    vouched = models.Q(**{f"{prefix}vouched_until": None}) | models.Q(
        **{f"{prefix}vouched_until__gt": now or timezone.now()}
    )
    return vouched & models.Q(**{f"{prefix}is_active": True})


class User(AbstractUser):
    """A person.

    ``issuer`` and ``subject`` are the identity provider's names for this person (OpenID Connect:
    both together never change); empty for an account with a password here. ``vouched_until`` is how
    long the provider's last answer about this person counts; None if no provider is asked.
    ``claimed`` are the groups that the provider has put them into. Sign-ins from before
    ``signed_out`` no longer count. ``password_given`` is when staff last set a password for them,
    ``password_chosen`` when they last chose one. ``volume`` names the volume with their files, ""
    until they need one; it stays when they are renamed (`sessions.lifecycle.files`).
    """

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
        """Return whether the portal lets this person in at all; see the function of this name."""
        vouched = self.vouched_until is None or self.vouched_until > timezone.now()
        return self.is_active and vouched

    @property
    def must_choose_password(self) -> bool:
        """Return whether staff set the password: it is then valid only for choosing another."""
        chosen, given = self.password_chosen, self.password_given
        return given is not None and (chosen is None or chosen < given)

    @property
    def shows_password_notice(self) -> bool:
        """Return whether pages say that staff have set a password.

        They do so for a few days, but not for the first password of an account.
        """
        given = self.password_given
        if given is None or given - self.date_joined < FIRST_PASSWORD_WINDOW:
            return False
        return timezone.now() - given < PASSWORD_NOTICE_PERIOD

    def check_password(self, raw_password: str | None) -> bool:
        """Check a password.

        A hash may be upgraded on the way; that is no change of password, so it is not audited.
        """
        with disable_auditlog():
            return super().check_password(raw_password)

    def clean(self) -> None:
        super().clean()
        before = User.objects.filter(pk=self.pk, username=self.username)
        if not before.exists():
            self._require_free_name()

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save the row, and keep names unique for ever, however somebody comes in or is renamed.

        Nobody gets the name, and with it the files, of somebody else who has it, had it once or was
        erased. Raises `ValidationError`.
        """
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
        """Save a new person, or one under a new name; reserve both names for them."""
        self._require_free_name()
        with transaction.atomic():
            super().save(*args, **kwargs)
            for name in filter(None, (before, self.username)):
                UsedName.objects.reserve(name, self)

    def _require_free_name(self) -> None:
        """Raise `ValidationError` for a name that somebody once had.

        Other code checks that there is a name and that nobody has it now. If that check fails in a
        form, the name is empty here.
        """
        if not self.username:
            return
        if Erasure.objects.is_reserved(self.username):
            message = _(
                "This name belonged to somebody who was erased, so it cannot be used again. "
                "Choose another."
            )
            raise ValidationError({"username": message})
        if UsedName.objects.is_used_by_other(self.username, self):
            raise ValidationError({"username": TAKEN})

    def get_session_auth_hash(self) -> str:
        """Return the hash that sign-ins are bound to.

        It changes with the password, and when all sign-ins are ended.
        """
        return self._bind_to_sign_out(super().get_session_auth_hash())

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        plain = super().get_session_auth_fallback_hash()
        for secret, each in zip(settings.SECRET_KEY_FALLBACKS, plain, strict=True):
            yield self._bind_to_sign_out(each, secret)

    def _bind_to_sign_out(self, plain: str, secret: str | None = None) -> str:
        if self.signed_out is None:
            return plain
        value = plain + self.signed_out.isoformat()
        return salted_hmac(
            "bindery.signed_out", value, secret=secret, algorithm="sha256"
        ).hexdigest()
