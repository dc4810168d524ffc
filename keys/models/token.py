"""API tokens, stored as digests: what was shown once cannot be read again by anybody."""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.lib.db import Given, Moment, Prepared
from portal.models import User, may_enter

log = logging.getLogger(__name__)

PREFIX = "bdy_"
SHOWN = len(PREFIX) + 6
LAST_USED_STEP = timedelta(minutes=1)
SOON = timedelta(days=7)

SCOPES = {
    "read": _("look at projects, limits and keys"),
    "launch": _("launch, stop and delete projects, and change what is yours"),
    "notebook": _("reach running notebooks: their files and kernels"),
}
"""What a token may be for."""
NEEDS = {"launch": ("read",)}
"""Who changes something has to see what came of it: with the one comes the other."""


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
        What a person may ask for, `keys.issuing` says.
        """
        secret = PREFIX + secrets.token_urlsafe(32)
        latest = latest_end()
        token = self.create(
            user=user,
            name=name,
            digest=digest(secret),
            start=secret[:SHOWN],
            scope=" ".join(with_needed(scopes)),
            expires=min(expires or latest, latest),
        )
        return token, secret

    def good(self, now: Moment | None = None) -> TokenQuerySet:
        """Those that open something: not expired, and their people may enter."""
        now = now or timezone.now()
        unexpired = models.Q(expires__isnull=True) | models.Q(expires__gt=now)
        return self.filter(unexpired, may_enter("user", now))

    def of_secret(self, secret: str) -> Token | None:
        """The token that this secret belongs to, if it is still good."""
        now = timezone.now()
        for token in _GOOD(digest=digest(secret), now=now):
            if token.used_before(now - LAST_USED_STEP):
                self._note_use(token)
            return token
        return None

    def _note_use(self, token: Token) -> None:
        """A token opens what it is for also where its use cannot be written down just now."""
        try:
            with transaction.atomic(using=self.db):  # or PostgreSQL would refuse all that follows
                self.filter(pk=token.pk).update(last_used=timezone.now())
        except DatabaseError:
            log.warning("cannot note the use of token %s", token.pk, exc_info=True)


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

    def get_additional_data(self) -> dict[str, Any]:
        """Kept beside the audit's entries: whose history they belong to."""
        return {"user": self.user_id}

    @property
    def scopes(self) -> list[str]:
        return self.scope.split()

    def allows(self, scope: str) -> bool:
        """Whether it is for this."""
        return scope in self.scopes

    def may_make(self, scopes: Iterable[str], expires: datetime) -> bool:
        """Whether its bearer may make a token like this: none that does or lasts more."""
        lasts = self.expires is None or expires <= self.expires
        return lasts and set(with_needed(scopes)) <= set(self.scopes)

    def used_before(self, moment: datetime) -> bool:
        """Whether no use since then is known."""
        return self.last_used is None or self.last_used < moment

    @property
    def is_expired(self) -> bool:
        return self.expires is not None and self.expires <= timezone.now()

    @property
    def expires_soon(self) -> bool:
        """Whether it is time to make the next one."""
        return self.expires is not None and self.expires <= timezone.now() + SOON


def _good() -> TokenQuerySet:
    these = Token.objects.good(Given("now", models.DateTimeField()))
    return these.filter(digest=Given("digest", models.CharField())).select_related("user")


_GOOD = Prepared(_good)


def digest(secret: str) -> str:
    """How a secret of full entropy is stored."""
    return hashlib.sha256(secret.encode()).hexdigest()


def with_needed(scopes: Iterable[str]) -> list[str]:
    """These scopes with those that they need, in their usual order."""
    asked = set(scopes)
    needed = {each for scope in asked for each in NEEDS.get(scope, ())}
    return [scope for scope in SCOPES if scope in asked | needed]


def latest_end() -> datetime:
    """When a token made now has to end, by the site's rule."""
    return timezone.now() + timedelta(days=settings.PORTAL_TOKEN_DAYS)
