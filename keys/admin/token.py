"""Tokens, for staff to see and to take away. Nobody makes one here: its secret is shown once,
to the person themselves."""

from __future__ import annotations

from django.contrib import admin

from keys.admin.look import LookOrDelete
from keys.models import Token


@admin.register(Token)
class TokenAdmin(LookOrDelete[Token]):
    list_display = ["name", "start", "scope", "user", "created", "last_used", "expires"]
    list_filter = ["created", "last_used", "expires"]
    list_select_related = ["user"]
    search_fields = ["name", "start", "user__username", "user__email"]
    fields = ["user", "name", "start", "scope", "created", "last_used", "expires"]
    ordering = ["-pk"]
