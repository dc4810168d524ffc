"""What the portal has removed on its own, so that it can be seen."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Removed(models.TextChoices):
    PROJECT = "project", _("project")
    SESSION = "session", _("sessions")
    EVENT = "event", _("events")
    LOG = "log", _("build log")
    IMAGE = "image", _("image")
    LEFTOVER = "leftover", _("left over in the back end")
    RECORD = "record", _("other records")


class Removal(models.Model):
    """``name`` is of what (a project, an image, a repository at a commit), ``count`` how many
    rows or pieces, ``size`` bytes, None where nobody knows; ``why`` in a sentence."""

    kind = models.CharField(_("kind"), max_length=16, choices=Removed.choices)
    name = models.CharField(_("name"), max_length=255, blank=True)
    count = models.PositiveIntegerField(_("number"), default=1)
    size = models.PositiveBigIntegerField(_("bytes"), null=True, blank=True)
    why = models.CharField(_("why"), max_length=500)
    at = models.DateTimeField(_("at"), default=timezone.now)

    class Meta:
        verbose_name = _("removal")
        verbose_name_plural = _("removals")
        ordering = ["-at", "-pk"]
        indexes = [models.Index(fields=["-at"], name="removals_by_time")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.name}".strip()
