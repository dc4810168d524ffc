"""Admin of the installation's row: its id, and how many days set-aside data is kept."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from portal.models import Installation


@admin.register(Installation)
class InstallationAdmin(admin.ModelAdmin[Installation]):
    """One row; the first start creates it, and `manage.py adopt` changes it."""

    list_display = ("id", "made", "keep_days")
    fields = ("id", "made", "keep_days")
    readonly_fields = ("id", "made")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
