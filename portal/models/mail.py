"""Announcements by staff, and letters (mail to people).

An announcement is shown on every page for a while, and optionally sent by mail. A letter is stored
together with what it reports, and sent once by the worker.
"""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
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
            "Mails are written when it is first shown, with the text that it has then. They go "
            "out once, a few each minute."
        ),
    )
    group = models.ForeignKey(
        Group,
        models.PROTECT,
        null=True,
        blank=True,
        verbose_name=_("only to"),
        help_text=_("Mail goes to the members of this group only; pages show it to everybody."),
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


ATTEMPTS = 8
UNDELIVERABLE_AFTER = timedelta(days=14)
"""After so long without an accepted letter, staff decide about the matter."""


class LetterQuerySet(models.QuerySet["Letter"]):
    """Queries for letters."""

    def unsent(self) -> LetterQuerySet:
        """Return the letters that have not been sent, failed ones included."""
        return self.filter(sent__isnull=True)

    def waiting(self) -> LetterQuerySet:
        """Return the letters that will be tried, or tried again."""
        return self.unsent().filter(attempts__lt=ATTEMPTS)

    def failed(self) -> LetterQuerySet:
        """Return the letters that are no longer tried."""
        return self.unsent().filter(attempts__gte=ATTEMPTS)


class Letter(models.Model):
    """A mail to one recipient.

    ``key`` names the occasion: there is one letter for each, however often it is posted. It goes to
    a person, or to an ``address``: one that the operator has set, or the one that a person had
    before. ``error`` says why the last attempt failed.
    """

    key = models.CharField(max_length=150, unique=True)
    to = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        null=True,
        related_name="letters",
        verbose_name=_("to"),
    )
    address = models.EmailField(_("address"), blank=True)
    announcement = models.ForeignKey(
        "portal.Announcement",
        models.CASCADE,  # a withdrawn announcement is no longer sent
        null=True,
        related_name="letters",
        verbose_name=_("announcement"),
    )
    subject = models.CharField(_("subject"), max_length=255)
    text = models.TextField(_("text"))
    html = models.TextField(_("HTML"))
    created = models.DateTimeField(_("created"), default=timezone.now)
    claimed = models.DateTimeField(null=True, blank=True)
    sent = models.DateTimeField(_("sent"), null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    error = models.CharField(_("last error"), max_length=255, blank=True)

    objects = LetterQuerySet.as_manager()

    class Meta:
        verbose_name = _("letter")
        verbose_name_plural = _("letters")
        permissions = [("retry_letter", _("Can have letters tried again"))]
        indexes = [
            models.Index(
                fields=["created"], condition=models.Q(sent__isnull=True), name="unsent_letters"
            )
        ]

    def __str__(self) -> str:
        return self.subject

    @property
    def is_given_up(self) -> bool:
        """Return whether the last attempt has failed and no other will be made."""
        return self.sent is None and self.attempts >= ATTEMPTS

    @property
    def recipient(self) -> str:
        """Return the address it goes to, "" if the person has none or may no longer come in."""
        if self.to is None:
            return self.address
        return (self.address or self.to.email) if self.to.is_active else ""
