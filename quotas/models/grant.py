"""Grants of higher limits until a day, and the bounds within which support may give them."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.lib.db import Given
from quotas.fields import CHOICES, FIELDS
from quotas.models.limitset import MOST

from .limitset import LimitValues


class SupportBounds(LimitValues):
    """The bounds of support, in a single row.

    Support grants nothing of a limit whose figure is empty. ``days`` is the longest grant.
    """

    days = models.PositiveSmallIntegerField(_("days that a grant may last"), default=90)

    class Meta:
        verbose_name = _("bounds of support")
        verbose_name_plural = _("bounds of support")

    def __str__(self) -> str:
        return str(_("Bounds of support"))

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.pk = 1
        super().save(*args, **kwargs)


class GrantQuerySet(models.QuerySet["Grant"]):
    """Grants, with a filter for those in force."""

    def active(self, today: date | Given | None = None) -> GrantQuerySet:
        """Return the grants in force today; a grant ends by itself when its last day is over."""
        return self.filter(until__gte=today or timezone.localdate())


class Grant(models.Model):
    """A higher limit for a person, for a time.

    ``limit`` (a name of `quotas.fields.FIELDS`) is at least ``value`` for this person, to the end
    of the day ``until`` in the portal's time zone. It never lowers anything.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="grants")
    limit = models.CharField(_("limit"), max_length=32, choices=CHOICES)
    value = models.FloatField(
        _("value"), validators=[MinValueValidator(0), MaxValueValidator(MOST)]
    )
    until = models.DateField(_("until"), help_text=_("The last day on which it holds."))
    reason = models.CharField(_("reason"), max_length=500)
    given_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", editable=False
    )
    created = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    objects = GrantQuerySet.as_manager()

    class Meta:
        verbose_name = _("grant")
        verbose_name_plural = _("grants")
        permissions = [("exceed_bounds", _("Can grant beyond the bounds of support"))]
        indexes = [models.Index(fields=["user", "until"], name="grants_of_user")]

    def __str__(self) -> str:
        return f"{FIELDS[self.limit]}: {self.value:g}"

    def get_additional_data(self) -> dict[str, Any]:
        """Return whose history the audit log's entries belong to."""
        return {"user": self.user_id}
