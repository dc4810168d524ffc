"""All addresses of the portal."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path

from portal import examples, health

urlpatterns: list[URLPattern | URLResolver] = [
    path("admin/", admin.site.urls),
    path("api/v1/", include("sessions.api.urls")),
    path("health", health.health, name="health"),
    path("examples/<slug:name>.git/<path:path>", examples.serve, name="example"),
]
