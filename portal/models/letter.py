"""A letter to a person: stored with what it tells of, sent by the worker, once."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class LetterQuerySet(models.QuerySet["Letter"]):
    def unsent(self) -> LetterQuerySet:
        return self.filter(sent__isnull=True)


class Letter(models.Model):
    """``key`` names the occasion: there is one letter for each, however often it is told."""

    key = models.CharField(max_length=150, unique=True)
    to = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="letters")
    subject = models.CharField(_("subject"), max_length=255)
    text = models.TextField(_("text"))
    html = models.TextField(_("HTML"))
    created = models.DateTimeField(_("created"), default=timezone.now)
    claimed = models.DateTimeField(null=True, blank=True)
    sent = models.DateTimeField(_("sent"), null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)

    objects = LetterQuerySet.as_manager()

    class Meta:
        verbose_name = _("letter")
        verbose_name_plural = _("letters")
        indexes = [
            models.Index(
                fields=["created"], condition=models.Q(sent__isnull=True), name="unsent_letters"
            )
        ]

    def __str__(self) -> str:
        return self.subject
