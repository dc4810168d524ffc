"""API tokens, stored as digests: what was shown once cannot be read again by anybody."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.models import User

PREFIX = "bdy_"
LAST_USED_STEP = timedelta(minutes=1)


class TokenQuerySet(models.QuerySet["Token"]):
    def issue(self, user: User, name: str) -> tuple[Token, str]:
        """A new token of this person and its secret, which is not kept."""
        secret = PREFIX + secrets.token_urlsafe(32)
        return self.create(user=user, name=name, digest=digest(secret)), secret

    def of_secret(self, secret: str) -> Token | None:
        """The token that this secret belongs to, if it is still good."""
        now = timezone.now()
        unexpired = models.Q(expires__isnull=True) | models.Q(expires__gt=now)
        rows = self.filter(unexpired, digest=digest(secret), user__is_active=True)
        token = rows.select_related("user").first()
        if token and (token.last_used is None or token.last_used < now - LAST_USED_STEP):
            self.filter(pk=token.pk).update(last_used=now)
        return token


class Token(models.Model):
    """``Authorization: Bearer <secret>`` acts as ``user`` in the REST API and the gateway."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="tokens")
    name = models.CharField(_("name"), max_length=100)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created = models.DateTimeField(_("created"), default=timezone.now)
    last_used = models.DateTimeField(_("last used"), null=True, blank=True)
    expires = models.DateTimeField(_("expires"), null=True, blank=True)

    objects = TokenQuerySet.as_manager()

    class Meta:
        verbose_name = _("token")
        verbose_name_plural = _("tokens")

    def __str__(self) -> str:
        return self.name


def digest(secret: str) -> str:
    """How a secret of full entropy is stored."""
    return hashlib.sha256(secret.encode()).hexdigest()
