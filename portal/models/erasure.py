"""A person who was erased: what is left to remove by hand, and that their name stays taken."""

from __future__ import annotations

import hashlib
import re

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

ALIAS = "erased-{}"
"""What an erased person is called: with the number of their row, which stays."""


class ErasureQuerySet(models.QuerySet["Erasure"]):
    def of(self, username: str) -> ErasureQuerySet:
        """That of the person who has, or had, this name."""
        return self.filter(username=digest(username))

    def has_taken(self, username: str) -> bool:
        """Whether the name may not be given to anybody (any more)."""
        return bool(is_alias(username)) or self.of(username).exists()


class Erasure(models.Model):
    """``username`` is the SHA-256 digest of the name, which is never given to anybody else.
    ``volume`` names the volume that an operator is to remove; it is emptied once they have said
    that it is ``removed``. ``person`` is whom it is about while that is under way, under whichever
    name, and None afterwards."""

    username = models.CharField(max_length=64, unique=True, editable=False)
    volume = models.CharField(_("volume"), max_length=255, blank=True, editable=False)
    erased = models.DateTimeField(_("erased"), default=timezone.now, editable=False)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", editable=False
    )
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", editable=False
    )
    removed = models.DateTimeField(_("volume removed"), null=True, blank=True, editable=False)

    objects = ErasureQuerySet.as_manager()

    class Meta:
        verbose_name = _("erased person")
        verbose_name_plural = _("erased people")
        permissions = [("confirm_removal", _("Can say that a volume was removed"))]

    def __str__(self) -> str:
        return self.volume or self.username[:12]

    def confirm_removal(self) -> None:
        """The volume is gone: its name, which is its person's, goes too."""
        self.volume, self.removed = "", timezone.now()
        self.save(update_fields=["volume", "removed"])


def digest(username: str) -> str:
    """How the name of an erased person is kept: enough to know it again, and no more."""
    return hashlib.sha256(username.encode()).hexdigest()


def is_alias(username: str) -> bool:
    """Whether this is what somebody erased is called."""
    return re.fullmatch(ALIAS.format(r"\d+"), username) is not None
