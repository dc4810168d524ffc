"""Erased people: what is left to remove by hand, and that their names stay taken."""

from __future__ import annotations

import hashlib
import re

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

ALIAS = "erased-{}"
"""Name of an erased person, with the number of their row, which stays."""


class ErasureQuerySet(models.QuerySet["Erasure"]):
    """Queries for erasures."""

    def of(self, username: str) -> ErasureQuerySet:
        """Return the erasure of the person who has, or had, this name."""
        return self.filter(username=digest(username))

    def has_taken(self, username: str) -> bool:
        """Return whether the name may not be given to anybody (any more)."""
        return bool(is_alias(username)) or self.of(username).exists()


class Erasure(models.Model):
    """The erasure of a person.

    ``username`` is the SHA-256 digest of the name, which is never given to anybody else. ``volume``
    names the volume that an operator is to remove; it is emptied once they have said that it is
    ``removed``. ``person`` is the person while the erasure is in progress, whatever their name, and
    None afterwards.
    """

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
        """Record that the volume is gone, and forget its name, which contains the person's."""
        self.volume, self.removed = "", timezone.now()
        self.save(update_fields=["volume", "removed"])


def digest(username: str) -> str:
    """Return the form in which an erased person's name is kept: enough to recognise it, no more."""
    return hashlib.sha256(username.encode()).hexdigest()


def is_alias(username: str) -> bool:
    """Return whether this is the name of an erased person."""
    return re.fullmatch(ALIAS.format(r"\d+"), username) is not None
