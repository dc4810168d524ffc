"""Limits as they are set: for the site, a group or a person. An empty field inherits."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from quotas.fields import FIELDS, Field

MOST = 1_000_000


def _column(name: str) -> models.Field[Any, Any]:
    field: Field = FIELDS[name]
    kind = models.PositiveIntegerField if field.whole else models.FloatField
    return kind(
        field.label,
        null=True,
        blank=True,
        help_text=field.help,
        validators=[MinValueValidator(field.least), MaxValueValidator(MOST)],
    )


class LimitValues(models.Model):
    """One figure for each of `quotas.fields.FIELDS`, or none."""

    projects = _column("projects")
    running = _column("running")
    cpu_request = _column("cpu_request")
    cpu_limit = _column("cpu_limit")
    memory_request_gb = _column("memory_request_gb")
    memory_limit_gb = _column("memory_limit_gb")
    max_cpu = _column("max_cpu")
    max_memory_gb = _column("max_memory_gb")
    max_gpu = _column("max_gpu")
    total_cpu = _column("total_cpu")
    total_memory_gb = _column("total_memory_gb")
    total_gpu = _column("total_gpu")
    idle_days = _column("idle_days")
    volume_gb = _column("volume_gb")
    builds = _column("builds")

    class Meta:
        abstract = True

    def values(self) -> dict[str, float]:
        """Return the figures that are set, by field name."""
        return {name: value for name in FIELDS if (value := getattr(self, name)) is not None}


class LimitSetQuerySet(models.QuerySet["LimitSet"]):
    """Sets of limits, with filters by owner."""

    def of_site(self) -> LimitSetQuerySet:
        """Return the site's set."""
        return self.filter(user=None, group=None)

    def concerning(self, **whose: Any) -> LimitSetQuerySet:
        """Return the sets of the site, of all groups (there are few), and of the chosen people.

        ``whose`` are lookups of those people.
        """
        return self.filter(models.Q(user=None) | models.Q(**whose))


class LimitSet(LimitValues):
    """The limits set for a person (``user``), a group (``group``), or with neither for the site."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, blank=True, related_name="limit_set"
    )
    group = models.OneToOneField(
        Group, models.CASCADE, null=True, blank=True, related_name="limit_set"
    )

    objects = LimitSetQuerySet.as_manager()

    class Meta:
        verbose_name = _("limits")
        verbose_name_plural = _("limits of the site")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(user__isnull=True) | models.Q(group__isnull=True),
                name="limits_of_a_person_or_a_group",
            ),
            models.UniqueConstraint(
                Coalesce("user_id", models.Value(0)),
                Coalesce("group_id", models.Value(0)),
                name="one_set_of_limits_for_each",
            ),
        ]

    def __str__(self) -> str:
        if self.user:
            return str(_("Limits of %(name)s") % {"name": self.user.username})
        if self.group:
            return str(_("Limits of the group %(name)s") % {"name": self.group.name})
        return str(_("Limits of the site"))

    @property
    def is_of_site(self) -> bool:
        return self.user_id is None and self.group_id is None

    def get_additional_data(self) -> dict[str, Any]:
        """Return whose history the audit log's entries belong to."""
        return {"user": self.user_id, "group": self.group_id}
