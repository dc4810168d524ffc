"""Keep answers to POST requests, so that one sent twice with the same key takes effect once.

`sessions.api.idempotency` says what that means to a client.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from portal.models import User

KEPT = timedelta(hours=24)
PATIENCE = timedelta(minutes=1)
"""Nothing in a web process takes this long: a request without an answer by then has crashed."""


class IdempotencyQuerySet(models.QuerySet["Idempotency"]):
    """Queries on stored answers."""

    def claim(self, user: User, key: str, request: str) -> tuple[Idempotency, bool]:
        """Return the row of this person's key, and whether the caller is to do the work now."""
        now = timezone.now()
        fresh = {"request": request, "status": None, "body": None, "created": now}
        row, is_new = self.get_or_create(user=user, key=key, defaults=fresh)
        abandoned = row.status is None and row.request == request and row.created < now - PATIENCE
        if is_new or not (abandoned or row.created < now - KEPT):
            return row, is_new
        won = self.filter(pk=row.pk, created=row.created).update(**fresh)
        return self.get(pk=row.pk), bool(won)

    def settle(self, row: Idempotency, status: int, body: Any) -> bool:
        """Store the answer; return False if somebody else has claimed the key meanwhile."""
        return bool(self._unanswered(row).update(status=status, body=body))

    def release(self, row: Idempotency) -> None:
        """Free the key again, without an answer."""
        self._unanswered(row).delete()

    def sweep(self) -> None:
        """Delete rows older than `KEPT`."""
        self.filter(created__lt=timezone.now() - KEPT).delete()

    def _unanswered(self, row: Idempotency) -> IdempotencyQuerySet:
        return self.filter(pk=row.pk, created=row.created, status=None)


class Idempotency(models.Model):
    """The answer to one request with an idempotency key.

    ``key`` is the client's (header ``Idempotency-Key``), ``request`` a digest of the request.
    ``status`` and ``body`` are the answer; while there is no status, the work is going on.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    request = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    body = models.JSONField(null=True)
    created = models.DateTimeField(default=timezone.now, db_index=True)

    objects = IdempotencyQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="one_answer_for_a_key")]

    def __str__(self) -> str:
        return self.key
