"""Tokens, for staff to see and to take away. Nobody makes one here: its secret is shown once,
to the person themselves."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from keys.models import Token


@admin.register(Token)
class TokenAdmin(admin.ModelAdmin[Token]):
    list_display = ["name", "start", "scope", "user", "created", "last_used", "expires"]
    list_filter = ["created", "last_used", "expires"]
    list_select_related = ["user"]
    search_fields = ["name", "start", "user__username", "user__email"]
    fields = ["user", "name", "start", "scope", "created", "last_used", "expires"]
    ordering = ["-pk"]
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False
