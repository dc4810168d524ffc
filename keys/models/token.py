"""API tokens, stored as digests: what was shown once cannot be read again by anybody."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.models import User, may_enter

PREFIX = "bdy_"
SHOWN = len(PREFIX) + 6
LAST_USED_STEP = timedelta(minutes=1)

SCOPES = {
    "read": _("look at projects, limits and keys"),
    "launch": _("launch, stop and delete projects, and change what is yours"),
    "notebook": _("reach running notebooks: their files and kernels"),
}
"""What a token may be for. ``launch`` needs ``read``."""


class TokenQuerySet(models.QuerySet["Token"]):
    def issue(
        self,
        user: User,
        name: str,
        scopes: Iterable[str] = tuple(SCOPES),
        expires: datetime | None = None,
    ) -> tuple[Token, str]:
        """A new token of this person and its secret, which is not kept.

        It ends at ``expires``, and with the site's maximum (``PORTAL_TOKEN_DAYS``) at the latest.
        """
        secret = PREFIX + secrets.token_urlsafe(32)
        latest = timezone.now() + timedelta(days=settings.PORTAL_TOKEN_DAYS)
        token = self.create(
            user=user,
            name=name,
            digest=digest(secret),
            start=secret[:SHOWN],
            scope=" ".join(scope for scope in SCOPES if scope in set(scopes)),
            expires=min(expires or latest, latest),
        )
        return token, secret

    def of_secret(self, secret: str) -> Token | None:
        """The token that this secret belongs to, if it is still good."""
        now = timezone.now()
        unexpired = models.Q(expires__isnull=True) | models.Q(expires__gt=now)
        rows = self.filter(unexpired, may_enter("user"), digest=digest(secret))
        token = rows.select_related("user").first()
        if token and (token.last_used is None or token.last_used < now - LAST_USED_STEP):
            self.filter(pk=token.pk).update(last_used=now)
        return token


class Token(models.Model):
    """``Authorization: Bearer <secret>`` acts as ``user`` in the REST API and the gateway.

    ``start`` is what the secret begins with, to tell it by; ``scope`` names what it is for, with
    blanks between (RFC 6749, section 3.3): see `SCOPES`.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="tokens")
    name = models.CharField(_("name"), max_length=100)
    digest = models.CharField(max_length=64, unique=True, editable=False)
    start = models.CharField(_("begins with"), max_length=16, blank=True, editable=False)
    scope = models.CharField(_("scope"), max_length=100, default="read launch notebook")
    created = models.DateTimeField(_("created"), default=timezone.now)
    last_used = models.DateTimeField(_("last used"), null=True, blank=True)
    expires = models.DateTimeField(_("expires"), null=True, blank=True)

    objects = TokenQuerySet.as_manager()

    class Meta:
        verbose_name = _("token")
        verbose_name_plural = _("tokens")

    def __str__(self) -> str:
        return self.name

    @property
    def scopes(self) -> list[str]:
        return self.scope.split()

    def allows(self, scope: str) -> bool:
        """Whether it is for this."""
        return scope in self.scopes


def digest(secret: str) -> str:
    """How a secret of full entropy is stored."""
    return hashlib.sha256(secret.encode()).hexdigest()
