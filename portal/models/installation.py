"""The installation that this database belongs to, by an id that its data folder or namespace bears.

`sessions.installation` compares the two, and assigns the id if there is none yet.
"""

from __future__ import annotations

import uuid

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

KEEP_DAYS = 14


class InstallationQuerySet(models.QuerySet["Installation"]):
    """Queries for the installation's only row."""

    def current(self) -> Installation | None:
        """Return the row; None before the first start of a portal on this database."""
        return self.first()

    def current_id(self) -> str:
        """Return the id, "" if there is none yet."""
        return self.values_list("id", flat=True).first() or ""

    def set_id(self, wanted: str) -> str:
        """Set the database's id from now on, and return it."""
        if not self.update(id=wanted):
            self.get_or_create(only=True, defaults={"id": wanted})
        return self.current_id()


class Installation(models.Model):
    """The only row of its table.

    ``id`` is a UUID as 32 hexadecimal digits. ``keep_days`` is how long things without a row are
    kept after they were set aside, before they are removed.
    """

    id = models.CharField(_("id"), max_length=32, primary_key=True, editable=False)
    made = models.DateTimeField(_("made"), default=timezone.now, editable=False)
    only = models.BooleanField(default=True, unique=True, editable=False)
    keep_days = models.PositiveSmallIntegerField(
        _("days that what was set aside is kept"),
        default=KEEP_DAYS,
        db_default=KEEP_DAYS,
        validators=[MinValueValidator(1), MaxValueValidator(3650)],
        help_text=_("A change also applies to what is already set aside."),
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
