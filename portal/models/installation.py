"""Which installation this database belongs to: the id that its data folder or namespace has, too.

`sessions.installation` compares the two, and gives the id where none is yet.
"""

from __future__ import annotations

import uuid

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

KEEP_DAYS = 14


class InstallationQuerySet(models.QuerySet["Installation"]):
    def current(self) -> Installation | None:
        """Return the row; None before the first start of a portal on this database."""
        return self.first()

    def current_id(self) -> str:
        """Return the id, "" where there is none yet."""
        return self.values_list("id", flat=True).first() or ""

    def take(self, wanted: str) -> str:
        """Have the database bear this id from now on, and return it."""
        if not self.update(id=wanted):
            self.get_or_create(only=True, defaults={"id": wanted})
        return self.current_id()


class Installation(models.Model):
    """One row. ``id`` is a UUID as 32 hexadecimal digits. ``keep_days``: how long what no row asks
    for is kept after it was set aside, before it is removed."""

    id = models.CharField(_("id"), max_length=32, primary_key=True, editable=False)
    made = models.DateTimeField(_("made"), default=timezone.now, editable=False)
    only = models.BooleanField(default=True, unique=True, editable=False)
    keep_days = models.PositiveSmallIntegerField(
        _("days that what was set aside is kept"),
        default=KEEP_DAYS,
        db_default=KEEP_DAYS,
        validators=[MinValueValidator(1), MaxValueValidator(3650)],
        help_text=_("A change holds for what is set aside already, too."),
    )

    objects = InstallationQuerySet.as_manager()

    class Meta:
        verbose_name = _("installation")
        verbose_name_plural = _("installation")
        constraints = [
            models.CheckConstraint(condition=models.Q(only=True), name="one_installation_only")
        ]

    def __str__(self) -> str:
        return self.id


def new_id() -> str:
    """Return an id that no installation has."""
    return uuid.uuid4().hex
