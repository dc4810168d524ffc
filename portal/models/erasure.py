"""A person who was erased: what is left to remove by hand, and that their name stays taken."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Erasure(models.Model):
    """``username`` is the SHA-256 digest of the name, which is never given to anybody else.
    ``volume`` names the volume that an operator is to remove; it is emptied once they have said
    that it is ``removed``."""

    username = models.CharField(max_length=64, unique=True, editable=False)
    volume = models.CharField(_("volume"), max_length=255, blank=True, editable=False)
    erased = models.DateTimeField(_("erased"), default=timezone.now, editable=False)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, related_name="+", editable=False
    )
    removed = models.DateTimeField(_("volume removed"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("erased person")
        verbose_name_plural = _("erased people")
        permissions = [("confirm_removal", _("Can say that a volume was removed"))]

    def __str__(self) -> str:
        return self.volume or self.username[:12]
