"""The app of tokens and SSH keys."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class KeysConfig(AppConfig):
    """Configuration of the app; tokens are in the audit log."""

    name = "keys"
    verbose_name = _("Keys and tokens")

    def ready(self) -> None:
        from auditlog.registry import auditlog

        from keys import checks  # noqa: F401  (registered by being imported)
        from keys.models import Token

        auditlog.register(Token, include_fields=["name", "scope", "expires"])
