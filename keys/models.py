"""SSH key pairs of people, host keys of servers as the portal first saw them, and API tokens.

The public half of a pair may be seen by everybody; the private half is sealed. Tokens are stored as
digests: nobody can read a secret again after it was shown once.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import DatabaseError, models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.lib.db import CompiledQuery, Param, TimeOrParam, write_soon
from portal.models import User, may_enter


class KeyPair(models.Model):
    """A person's SSH key pair; `keys.keypairs` makes, rotates and opens it.

    ``public`` is one line as in ``authorized_keys``, ``fingerprint`` is OpenSSH's (``SHA256:…``),
    and ``sealed`` is the private half in OpenSSH's form, encrypted.
    """

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="key_pair", editable=False
    )
    public = models.CharField(_("public key"), max_length=500, editable=False)
    fingerprint = models.CharField(_("fingerprint"), max_length=64, editable=False)
    sealed = models.TextField(editable=False)
    created = models.DateTimeField(_("made"), default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("SSH key pair")
        verbose_name_plural = _("SSH key pairs")

    def __str__(self) -> str:
        return self.fingerprint

    @property
    def type(self) -> str:
        """Return the key's type in OpenSSH's terms: ``ssh-ed25519``."""
        return self.public.partition(" ")[0]


class KnownHost(models.Model):
    """The host key of an SSH server.

    ``host`` is a name, or ``[name]:port`` for a port other than 22; ``key`` is the type and key of
    a line of ``known_hosts``. The operator's configuration (``PORTAL_KNOWN_HOSTS``) takes
    precedence.
    """

    host = models.CharField(_("host"), max_length=300)
    key = models.CharField(_("key"), max_length=2000)
    fingerprint = models.CharField(_("fingerprint"), max_length=64)
    first_used = models.DateTimeField(_("first used"), default=timezone.now)
    first_user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+"
    )

    class Meta:
        verbose_name = _("SSH server")
        verbose_name_plural = _("SSH servers")
        constraints = [
            models.UniqueConstraint(fields=["host", "key"], name="one_row_for_each_host_key")
        ]

    def __str__(self) -> str:
        return f"{self.host} {self.fingerprint}"


log = logging.getLogger(__name__)

PREFIX = "bdy_"
NOTEBOOK_PREFIX = f"{PREFIX}nb_"
"""Prefix of secrets that open one notebook only (`sessions.gateway.tickets`)."""
START_LENGTH = len(PREFIX) + 6
LAST_USED_STEP = timedelta(minutes=1)
EXPIRES_SOON = timedelta(days=7)

SCOPES = {
    "read": _("view projects, limits and keys"),
    "launch": _("launch, stop and delete projects, and change what is yours"),
    "notebook": _("use running notebooks: their files and kernels"),
}
"""Scopes of tokens."""
IMPLIED_SCOPES = {"launch": ("read",)}
"""Scopes that a scope includes: a program that changes something has to see the result."""


class TokenQuerySet(models.QuerySet["Token"]):
    """Tokens, with their issue and lookup."""

    def issue(
        self,
        user: User,
        name: str,
        scopes: Iterable[str] = tuple(SCOPES),
        expires: datetime | None = None,
    ) -> tuple[Token, str]:
        """Make a token for this person; return it with its secret, which is not stored.

        It ends at ``expires``, or at the site's maximum (``PORTAL_TOKEN_DAYS``) if that is earlier.
        `keys.issuing` checks what a person may ask for.
        """
        secret = PREFIX + secrets.token_urlsafe(32)
        latest = latest_expiry()
        token = self.create(
            user=user,
            name=name,
            digest=digest(secret),
            start=secret[:START_LENGTH],
            scope=" ".join(with_implied(scopes)),
            expires=min(expires or latest, latest),
        )
        return token, secret

    def valid(self, now: TimeOrParam | None = None) -> TokenQuerySet:
        """Return the tokens that work: not expired, and their owner may sign in.

        ``now`` is the present; pass a `Param` to compile the query.
        """
        now = now or timezone.now()
        unexpired = models.Q(expires__isnull=True) | models.Q(expires__gt=now)
        return self.filter(unexpired, may_enter("user", now))

    def find_by_secret(self, secret: str) -> Token | None:
        """Return the token with this secret, and note its use; None if it does not work."""
        now = timezone.now()
        for token in _VALID_BY_DIGEST(digest=digest(secret), now=now):
            if token.unused_since(now - LAST_USED_STEP):
                write_soon(("token", token.pk), partial(self._note_use, token))
            return token
        return None

    def _note_use(self, token: Token) -> None:
        """Note the token's use; if that cannot be stored just now, the token works all the same."""
        try:
            with transaction.atomic(using=self.db):  # or PostgreSQL would refuse later queries
                self.filter(pk=token.pk).update(last_used=timezone.now())
        except DatabaseError:
            log.warning("cannot record the use of token %s", token.pk, exc_info=True)


class Token(models.Model):
    """An API token: ``Authorization: Bearer <secret>`` acts as ``user``.

    It works in the REST API and the gateway. ``start`` is the beginning of the secret, to recognize
    it by. ``scope`` lists its scopes, separated by blanks (RFC 6749, section 3.3): see `SCOPES`.
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
        """Return whose history the audit log's entries belong to."""
        return {"user": self.user_id}

    @property
    def scopes(self) -> list[str]:
        """Return the scopes as a list; see `SCOPES`."""
        return self.scope.split()

    def allows(self, scope: str) -> bool:
        """Return whether the token has this scope."""
        return scope in self.scopes

    def may_issue(self, scopes: Iterable[str], expires: datetime) -> bool:
        """Return whether the bearer may make such a token: with no more scopes and no later end."""
        lasts = self.expires is None or expires <= self.expires
        return lasts and set(with_implied(scopes)) <= set(self.scopes)

    def unused_since(self, moment: datetime) -> bool:
        """Return whether no use since ``moment`` is known."""
        return self.last_used is None or self.last_used < moment

    @property
    def is_expired(self) -> bool:
        """Return whether the token has passed its end; one without an end never has."""
        return self.expires is not None and self.expires <= timezone.now()

    @property
    def expires_soon(self) -> bool:
        """Return whether it is time to make the next one."""
        return self.expires is not None and self.expires <= timezone.now() + EXPIRES_SOON


def _valid_by_digest() -> TokenQuerySet:
    these = Token.objects.valid(Param("now", models.DateTimeField()))
    return these.filter(digest=Param("digest", models.CharField())).select_related("user")


_VALID_BY_DIGEST = CompiledQuery(_valid_by_digest)


def digest(secret: str) -> str:
    """Return the digest under which a secret of full entropy is stored."""
    return hashlib.sha256(secret.encode()).hexdigest()


def with_implied(scopes: Iterable[str]) -> list[str]:
    """Return these scopes with those that they need, in their usual order."""
    wanted = set(scopes)
    needed = {each for scope in wanted for each in IMPLIED_SCOPES.get(scope, ())}
    return [scope for scope in SCOPES if scope in wanted | needed]


def latest_expiry() -> datetime:
    """Return the latest end of a token made now, by the site's rule."""
    return timezone.now() + timedelta(days=settings.PORTAL_TOKEN_DAYS)
