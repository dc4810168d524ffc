"""The admin: Django's, with a home page that says how things are (`overview`)."""

from __future__ import annotations

from typing import Any, cast

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse

from portal.models import User
from portal.overview import overview
from portal.pages import usage


class PortalAdminSite(admin.AdminSite):
    """In place of Django's own by `portal.apps.PortalAdminConfig`."""

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        user = cast(User, request.user)
        return super().index(request, {**overview(user), **(extra_context or {})})

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """By a provider only, where nobody signs in with a password."""
        if settings.PORTAL_PASSWORD_SIGN_IN or request.user.is_authenticated:
            return super().login(request, extra_context)
        return redirect_to_login(request.GET.get("next") or reverse("admin:index"))

    def get_urls(self) -> list[URLPattern | URLResolver]:
        export = path("usage.csv", self.admin_view(usage.export), name="usage")
        return [export, *super().get_urls()]
