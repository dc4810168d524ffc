"""The person: one row for everyone who signs in."""

from __future__ import annotations

from collections.abc import Iterator

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _


class User(AbstractUser):
    """``issuer`` and ``subject`` are the identity provider's names for this person (OpenID
    Connect: both together never change); empty for an account with a password here.
    ``signed_out``: no sign-in from before this moment counts any more."""

    issuer = models.CharField(_("issuer"), max_length=255, blank=True, editable=False)
    subject = models.CharField(_("subject"), max_length=255, blank=True, editable=False)
    signed_out = models.DateTimeField(_("signed out everywhere"), null=True, editable=False)

    class Meta(AbstractUser.Meta):
        permissions = [
            ("disable_user", _("Can disable and enable people")),
            ("sign_out_user", _("Can sign people out everywhere")),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["issuer", "subject"],
                condition=~models.Q(subject=""),
                name="one_user_for_each_identity",
            )
        ]
        indexes = [models.Index(fields=["-last_login", "username"], name="users_by_last_login")]

    def get_session_auth_hash(self) -> str:
        """What a sign-in is bound to: it ends with the password, or when staff end them all."""
        return self._since_signed_out(super().get_session_auth_hash())

    def get_session_auth_fallback_hash(self) -> Iterator[str]:
        for each in super().get_session_auth_fallback_hash():
            yield self._since_signed_out(each)

    def _since_signed_out(self, plain: str) -> str:
        if self.signed_out is None:
            return plain
        value = plain + self.signed_out.isoformat()
        return salted_hmac("bindery.signed_out", value, algorithm="sha256").hexdigest()
