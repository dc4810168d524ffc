"""The admin: Django's, with a home page that says how things are (`overview`)."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path

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

    def get_urls(self) -> list[URLPattern | URLResolver]:
        export = path("usage.csv", self.admin_view(usage.export), name="usage")
        return [export, *super().get_urls()]
