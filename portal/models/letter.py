"""A letter: stored with what it tells of, sent by the worker, once."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

ATTEMPTS = 8
REFUSED = timedelta(days=14)
"""After so long without a letter that anybody took, staff decide what it was about."""


class LetterQuerySet(models.QuerySet["Letter"]):
    def unsent(self) -> LetterQuerySet:
        return self.filter(sent__isnull=True)

    def waiting(self) -> LetterQuerySet:
        """Those that are tried, or tried again."""
        return self.unsent().filter(attempts__lt=ATTEMPTS)

    def failed(self) -> LetterQuerySet:
        """Those that are tried no more."""
        return self.unsent().filter(attempts__gte=ATTEMPTS)


class Letter(models.Model):
    """``key`` names the occasion: there is one letter for each, however often it is told.

    It goes to a person, or to an ``address``: one that the operator has set, or the one that a
    person had before. ``error`` says why the last attempt came to nothing.
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
        models.CASCADE,  # what is taken back is told to nobody any more
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
        return self.sent is None and self.attempts >= ATTEMPTS

    @property
    def recipient(self) -> str:
        """The address that it goes to, "" for whoever has none or may not come in any more."""
        if self.to is None:
            return self.address
        return (self.address or self.to.email) if self.to.is_active else ""
