"""A person's SSH key pair: the public half for everybody to see, the private one sealed."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class KeyPair(models.Model):
    """``public`` is one line as in ``authorized_keys``, ``fingerprint`` that of OpenSSH
    (``SHA256:…``), ``sealed`` the private half in OpenSSH's form, encrypted. `keypairs` makes,
    rotates and opens them."""

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
        """As OpenSSH calls it: ``ssh-ed25519``."""
        return self.public.partition(" ")[0]
