"""The app of projects, builds and sessions."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SessionsConfig(AppConfig):
    name = "sessions"
    label = "notebook_sessions"
    verbose_name = _("Notebooks")

    def ready(self) -> None:
        from auditlog.registry import auditlog

        from quotas import uses
        from sessions.lifecycle import room
        from sessions.models import RepositoryRule

        auditlog.register(RepositoryRule, exclude_fields=["id", "created"])
        uses.counted_by(room.uses_of)
