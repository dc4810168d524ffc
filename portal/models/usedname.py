"""Names that people here have or had: nobody else ever gets one, nor anything stored under it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.models.erasure import digest

if TYPE_CHECKING:
    from portal.models.user import User


class UsedNameQuerySet(models.QuerySet["UsedName"]):
    """Queries for used names."""

    def of_others(self, username: str, person: User | None = None) -> bool:
        """Return whether somebody other than ``person`` has this name, or once had it."""
        same = self.filter(digest=digest(username))
        return (same.exclude(user=person) if person and person.pk else same).exists()

    def note(self, username: str, person: User) -> None:
        """Reserve the name for this person. Raises `ValidationError` if it is somebody else's."""
        known = {"user": person, "name": username}
        row, _made = self.get_or_create(digest=digest(username), defaults=known)
        if row.user_id != person.pk:
            raise ValidationError({"username": TAKEN})

    def former(self, person: User) -> list[str]:
        """Return the names that this person had before, the latest first."""
        rows = self.filter(user=person).exclude(name__in=["", person.username])
        return list(rows.order_by("-since", "-pk").values_list("name", flat=True))

    def first_of(self, person: User) -> str:
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


TAKEN = _("Somebody else has this name or had it once; nobody gets it again.")
