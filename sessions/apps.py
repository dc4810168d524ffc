"""The app of projects, builds and sessions."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class SessionsConfig(AppConfig):
    name = "sessions"
    label = "notebook_sessions"
    verbose_name = _("Notebooks")
