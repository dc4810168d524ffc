"""Announcements by staff: shown on every page for a while, and optionally sent by mail."""

from __future__ import annotations

from django.contrib.auth.models import Group
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class AnnouncementQuerySet(models.QuerySet["Announcement"]):
    """Queries for announcements."""

    def current(self) -> AnnouncementQuerySet:
        """Return the announcements to show now, the newest first."""
        now = timezone.now()
        begun = self.filter(starts__lte=now)
        return begun.exclude(ends__lte=now).order_by("-starts", "-pk")

    def to_mail(self) -> AnnouncementQuerySet:
        """Return the current announcements whose letters have not all been written."""
        return self.current().filter(by_mail=True, mailed__isnull=True)


class Announcement(models.Model):
    """A text shown from ``starts`` until ``ends``; without an end, until staff delete it.

    With ``by_mail``, everybody gets it as a letter as well, or only the members of ``group``.
    ``mailed`` is when the last of these letters was written (not sent).
    """

    class Weight(models.TextChoices):
        """How prominent an announcement is."""

        NEWS = "news", _("news")
        WARNING = "warning", _("warning")

    text = models.TextField(_("text"), max_length=1000)
    weight = models.CharField(
        _("weight"), max_length=16, choices=Weight.choices, default=Weight.NEWS
    )
    starts = models.DateTimeField(_("from"), default=timezone.now)
    ends = models.DateTimeField(_("until"), null=True, blank=True)

    by_mail = models.BooleanField(
        _("also by mail"),
        default=False,
        help_text=_(
            "Letters are written when it begins to be shown, and say what it says then. They go "
            "out once, some each minute."
        ),
    )
    group = models.ForeignKey(
        Group,
        models.PROTECT,
        null=True,
        blank=True,
        verbose_name=_("only to"),
        help_text=_("By mail only to the people of this group; the pages show it to everybody."),
    )
    mailed = models.DateTimeField(null=True, editable=False)

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
