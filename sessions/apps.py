"""Configure the app of projects, builds and sessions."""

import gc
from importlib import import_module

from django.apps import AppConfig
from django.conf import settings
from django.utils.translation import gettext_lazy as _


class SessionsConfig(AppConfig):
    """The app, with the label ``notebook_sessions``."""

    name = "sessions"
    label = "notebook_sessions"
    verbose_name = _("Notebooks")

    def ready(self) -> None:
        from auditlog.registry import auditlog

        from quotas.limits import register_usage_counter
        from sessions.backends import BACKENDS
        from sessions.lifecycle.admission import usage_of_many
        from sessions.models import RepositoryRule

        auditlog.register(RepositoryRule, exclude_fields=["id", "created"])
        register_usage_counter(usage_of_many)
        if settings.IN_WORKER:  # its processes are forked and share everything loaded before that
            import_module("sessions.tasks")
            if settings.OIDC_PROVIDERS:
                import_module("portal.accounts.oidc.refresh")
            import_module(BACKENDS[settings.PORTAL_BACKEND].rpartition(".")[0])
            gc.freeze()  # keep it shared: exempt it from garbage collection
