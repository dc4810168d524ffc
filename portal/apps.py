"""The app of the site itself."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class PortalConfig(AppConfig):
    name = "portal"
    verbose_name = "Portal"

    def ready(self) -> None:
        from auditlog.registry import auditlog

        from portal import checks  # noqa: F401  registers itself
        from portal.logs import tasks
        from portal.models import Announcement, User

        tasks.listen()
        kept = ["username", "email", "is_active", "is_staff", "is_superuser", "signed_out"]
        auditlog.register(User, include_fields=kept, m2m_fields={"groups", "user_permissions"})
        auditlog.register(Announcement, exclude_fields=["id"])


class PortalAdminConfig(AdminConfig):
    """Django's admin with a home page of ours."""

    default_site = "portal.adminsite.PortalAdminSite"
