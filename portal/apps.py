"""The Django app of the site itself, and the app that replaces `django.contrib.admin`."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.contrib import admin
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core.checks import CheckMessage, Tags, register
from django.core.paginator import Paginator


class PortalConfig(AppConfig):
    """The site's app: registers system checks, request logging and the audited models."""

    name = "portal"
    verbose_name = "Portal"

    def ready(self) -> None:
        from auditlog.registry import auditlog
        from django.contrib.auth.models import Group

        from portal import checks  # noqa: F401  registers itself
        from portal.lib.logs import requests
        from portal.models import Announcement, Installation, User

        requests.connect_task_signals()
        kept = ["username", "email", "is_active", "is_staff", "is_superuser", "signed_out",
                "password", "password_given", "password_chosen", "issuer", "subject"]  # fmt: skip
        auditlog.register(
            User,
            include_fields=kept,
            mask_fields=["password"],
            mask_callable="portal.accounts.middleware.mask_secret",
            m2m_fields={"groups", "user_permissions"},
        )
        auditlog.register(Group, include_fields=["name"], m2m_fields={"permissions"})
        auditlog.register(Announcement, exclude_fields=["id"])
        auditlog.register(Installation, include_fields=["keep_days"])


class PortalAdminConfig(SimpleAdminConfig):
    """Django's admin with our own site class.

    Admin modules are discovered by `portal.urls` and by the system checks, not at start, so a
    process that serves no pages loads none of them.
    """

    default_site = "portal.adminsite.site.PortalAdminSite"

    def ready(self) -> None:
        make_subscriptable()
        register(check_dependencies, Tags.admin)
        register(_check_all, Tags.admin)


def _check_all(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    admin.autodiscover()
    found: list[CheckMessage] = check_admin_app(app_configs, **kwargs)
    return found


def make_subscriptable() -> None:
    """Let Django classes take their model as a type argument: ``class Builds(ModelAdmin[Build])``.

    Django's stubs declare them as generic, Django does not. `django-stubs-ext` does the same for
    all of Django's classes; loading it would cost every process more than these three do. This
    comes before modules that use them are loaded.
    """
    from django.contrib.admin.options import BaseModelAdmin
    from django.forms.models import BaseModelForm

    generic: list[Any] = [BaseModelAdmin, Paginator, BaseModelForm]
    for each in generic:
        each.__class_getitem__ = classmethod(_itself)


def _itself(cls: type, _names: object) -> type:
    return cls
