"""Answers that are given again: a POST that was sent twice with one key happened once."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone


class Idempotency(models.Model):
    """``key`` is the client's (header ``Idempotency-Key``), ``request`` the digest of what was
    asked, ``status`` and ``body`` the answer; no status yet: it is being worked on."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    request = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    body = models.JSONField(null=True)
    created = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="one_answer_for_a_key")]

    def __str__(self) -> str:
        return self.key
