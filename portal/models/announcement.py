"""What staff tell everybody on every page, for a while."""

from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class AnnouncementQuerySet(models.QuerySet["Announcement"]):
    def current(self) -> AnnouncementQuerySet:
        """Those that are to be shown now, the newest first."""
        now = timezone.now()
        begun = self.filter(starts__lte=now)
        return begun.exclude(ends__lte=now).order_by("-starts", "-pk")


class Announcement(models.Model):
    """Shown from ``starts`` until ``ends``; without an end, until staff take it away."""

    class Weight(models.TextChoices):
        NEWS = "news", _("news")
        WARNING = "warning", _("warning")

    text = models.TextField(_("text"), max_length=1000)
    weight = models.CharField(
        _("weight"), max_length=16, choices=Weight.choices, default=Weight.NEWS
    )
    starts = models.DateTimeField(_("from"), default=timezone.now)
    ends = models.DateTimeField(_("until"), null=True, blank=True)

    objects = AnnouncementQuerySet.as_manager()

    class Meta:
        verbose_name = _("announcement")
        verbose_name_plural = _("announcements")
        constraints = [
            models.CheckConstraint(
                condition=models.Q(ends__isnull=True) | models.Q(ends__gt=models.F("starts")),
                name="announcement_ends_after_it_starts",
                violation_error_message=_("It must end later than it starts."),
            )
        ]

    def __str__(self) -> str:
        return self.text[:80]
