"""The app of limits."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class QuotasConfig(AppConfig):
    """Configuration of the app; its models are in the audit log."""

    name = "quotas"
    verbose_name = _("Limits")

    def ready(self) -> None:
        from auditlog.registry import auditlog

        from quotas.models import Grant, LimitSet, Profile, SupportBounds

        auditlog.register(LimitSet, exclude_fields=["id"])
        auditlog.register(Grant, exclude_fields=["id", "created", "given_by"])
        auditlog.register(SupportBounds, exclude_fields=["id"])
        auditlog.register(Profile, exclude_fields=["id"], m2m_fields={"groups"})
