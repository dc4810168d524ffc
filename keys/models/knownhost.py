"""The keys by which SSH servers prove who they are, as the portal saw them first."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class KnownHost(models.Model):
    """``host`` is a name, or ``[name]:port`` for another port than 22, ``key`` the type and the
    key of a line of ``known_hosts``. What the operator configures (``PORTAL_KNOWN_HOSTS``) goes
    before it."""

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
