"""How far a support person may go when granting."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from quotas.models.limitset import LimitValues


class SupportBounds(LimitValues):
    """One row. An empty figure: support grants nothing of it. ``days``: the longest grant."""

    days = models.PositiveSmallIntegerField(_("days that a grant may last"), default=90)

    class Meta:
        verbose_name = _("bounds of support")
        verbose_name_plural = _("bounds of support")

    def __str__(self) -> str:
        return str(_("Bounds of support"))

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.pk = 1
        super().save(*args, **kwargs)
