"""The admin site: Django's own, with a home page that shows how things are (`overview`)."""

from __future__ import annotations

from typing import Any, cast

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.translation import gettext as _

from portal.models import User
from portal.pages import usage

from .guard import with_guard
from .overview import overview


class AdminSignInForm(AdminAuthenticationForm):
    """Django's form, which refuses a password that staff have set.

    Such a password must first be changed on the portal's own page.
    """

    def confirm_login_allowed(self, user: Any) -> None:
        super().confirm_login_allowed(user)
        if user.must_choose_password:
            raise ValidationError(
                _("Staff set this password. Sign in on the portal’s own page and change it."),
                code="must-choose",
            )


class PortalAdminSite(admin.AdminSite):
    """The site that `portal.apps.PortalAdminConfig` puts in place of Django's own."""

    login_form = AdminSignInForm

    def register(
        self,
        model_or_iterable: Any,
        admin_class: type[admin.ModelAdmin[Any]] | None = None,
        **options: Any,
    ) -> None:
        """Register every admin of a model behind the guard."""
        inner = admin_class or admin.ModelAdmin
        super().register(model_or_iterable, with_guard(inner), **options)

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        user = cast(User, request.user)
        return super().index(request, {**overview(user), **(extra_context or {})})

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Send people to the provider if nobody signs in with a password."""
        if settings.PORTAL_PASSWORD_SIGN_IN or request.user.is_authenticated:
            return super().login(request, extra_context)
        return redirect_to_login(request.GET.get("next") or reverse("admin:index"))

    def get_urls(self) -> list[URLPattern | URLResolver]:
        export = path("usage.csv", self.admin_view(usage.export), name="usage")
        return [export, *super().get_urls()]
