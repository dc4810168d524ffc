"""Names that people here have or had, and erased people.

Nobody else ever gets such a name, nor anything stored under it. For an erased person, it is kept
what is left to remove by hand, and that their name stays taken.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from portal.models.user import User


class UsedNameQuerySet(models.QuerySet["UsedName"]):
    """Queries for used names."""

    def is_used_by_other(self, username: str, person: User | None = None) -> bool:
        """Return whether somebody other than ``person`` has this name, or once had it."""
        same = self.filter(digest=digest(username))
        return (same.exclude(user=person) if person and person.pk else same).exists()

    def reserve(self, username: str, person: User) -> None:
        """Reserve the name for this person. Raises `ValidationError` if it is somebody else's."""
        known = {"user": person, "name": username}
        row, _made = self.get_or_create(digest=digest(username), defaults=known)
        if row.user_id != person.pk:
            raise ValidationError({"username": TAKEN})

    def former_names(self, person: User) -> list[str]:
        """Return the names that this person had before, the latest first."""
        rows = self.filter(user=person).exclude(name__in=["", person.username])
        return list(rows.order_by("-since", "-pk").values_list("name", flat=True))

    def earliest_name(self, person: User) -> str:
        """Return the earliest known name of this person."""
        rows = self.filter(user=person).exclude(name="").order_by("since", "pk")
        return rows.values_list("name", flat=True).first() or person.username

    def forget(self, person: User) -> None:
        """Keep only the digests of the person's names, so that they stay taken."""
        mine = UsedName(digest=digest(person.username))
        self.bulk_create([mine], ignore_conflicts=True)
        self.filter(user=person).update(user=None, name="")


class UsedName(models.Model):
    """A name that somebody has or had.

    ``digest`` is the name's, as in `Erasure`. ``name`` itself is kept for as long as the person is
    known: their notebooks show their volume under it. ``since`` is when it was recorded.
    """

    digest = models.CharField(max_length=64, unique=True, editable=False)
    name = models.CharField(_("name"), max_length=150, blank=True, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.SET_NULL,
        null=True,
        related_name="names",
        editable=False,
    )
    since = models.DateTimeField(_("since"), default=timezone.now, editable=False)

    objects = UsedNameQuerySet.as_manager()

    class Meta:
        verbose_name = _("used name")
        verbose_name_plural = _("used names")
        default_permissions = ()

    def __str__(self) -> str:
        return self.name or self.digest[:12]


TAKEN = _("Somebody else has or had this name, so it cannot be used again. Choose another.")


ALIAS = "erased-{}"
"""Name of an erased person, with the number of their row, which stays."""


class ErasureQuerySet(models.QuerySet["Erasure"]):
    """Queries for erasures."""

    def of(self, username: str) -> ErasureQuerySet:
        """Return the erasure of the person who has, or had, this name."""
        return self.filter(username=digest(username))

    def is_reserved(self, username: str) -> bool:
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
