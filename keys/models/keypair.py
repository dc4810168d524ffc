"""SSH key pairs of people, and the host keys of servers as the portal first saw them.

The public half of a pair may be seen by everybody; the private half is sealed.
"""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


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
