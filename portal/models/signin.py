"""A sign-in by an identity provider: what it takes to ask the provider again."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone


class SignInQuerySet(models.QuerySet["SignIn"]):
    def due(self) -> SignInQuerySet:
        """Those whose provider is to be asked now."""
        return self.filter(due__lte=timezone.now())


class SignIn(models.Model):
    """``browser`` is the key of the portal session that it opened. ``sealed`` is the refresh
    token, encrypted, empty where the provider gave none. ``due``: when the provider is asked
    next; whoever asks moves it first, so that nobody else does."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="sign_ins")
    provider = models.CharField(max_length=50)
    browser = models.CharField(max_length=64, unique=True)
    sealed = models.TextField(blank=True)
    created = models.DateTimeField(default=timezone.now)
    refreshed = models.DateTimeField(default=timezone.now)
    due = models.DateTimeField(db_index=True)

    objects = SignInQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.user_id} by {self.provider}"
