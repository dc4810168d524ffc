"""A browser's right to one notebook: the ticket it came with and the cookie it holds.

`gateway.tickets` writes them, `gateway.authorize` reads them; taking the right away deletes
rows.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone


class Access(models.Model):
    """``ticket`` and ``cookie`` are SHA-256 digests of random secrets: one is good once, within
    seconds, and is swapped for the other. ``browser`` is the key of the portal session that
    asked, so that its end ends this too."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    project = models.ForeignKey("notebook_sessions.Project", models.CASCADE, related_name="+")
    browser = models.CharField(max_length=64, db_index=True)
    ticket = models.CharField(max_length=64, unique=True)
    cookie = models.CharField(max_length=64, unique=True, null=True)  # noqa: DJ001  not yet
    created = models.DateTimeField(default=timezone.now, db_index=True)

    def __str__(self) -> str:
        return f"{self.user_id} → {self.project_id}"
