"""The app of tokens and SSH keys, with the system checks of the keys that seal people's secrets."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, register
from django.utils.translation import gettext_lazy as _

MIN_KEY_LENGTH = 32
VARIABLE = "PORTAL_ENCRYPTION_KEYS"
HINT = "Make one with: python3 -c 'import secrets; print(secrets.token_urlsafe(50))'"


@register
def check_key_length(**kwargs: Any) -> list[CheckMessage]:
    """Refuse a short key, which anyone with a copy of the database could guess (keys.E001)."""
    if all(len(key) >= MIN_KEY_LENGTH for key in settings.PORTAL_ENCRYPTION_KEYS):
        return []
    words = f"{VARIABLE} has a key of fewer than {MIN_KEY_LENGTH} characters"
    return [Error(words, hint=HINT, id="keys.E001")]


@register
def check_key_is_shared(**kwargs: Any) -> list[CheckMessage]:
    """Warn about a portal in several places whose key is a file in one of them (keys.W001)."""
    given = settings.ENVIRONMENT.text
    spread = settings.PORTAL_BACKEND == "kubernetes" or given("DATABASE_URL")
    if not spread or given(VARIABLE):
        return []
    words = (
        f"{VARIABLE} is not set: the key is a file in the data folder ({settings.PORTAL_DATA}). "
        "Another container or machine has another one and cannot read what this one has stored, "
        "and without the file people's SSH keys and provider sign-ins are lost"
    )
    hint = f"Set {VARIABLE} for all processes of the portal, to what is in the file encryption-key."
    return [checks.Warning(words, hint=hint, id="keys.W001")]


class KeysConfig(AppConfig):
    """Configuration of the app; tokens are in the audit log."""

    name = "keys"
    verbose_name = _("Keys and tokens")

    def ready(self) -> None:
        from auditlog.registry import auditlog

        from keys.models import Token

        auditlog.register(Token, include_fields=["name", "scope", "expires"])
