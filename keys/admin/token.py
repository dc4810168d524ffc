"""Tokens, for staff to see and to take away. Nobody makes one here: its secret is shown once,
to the person themselves."""

from __future__ import annotations

from typing import cast

from django.contrib import admin
from django.http import HttpRequest

from keys.admin.look import LookOrDelete
from keys.models import Token
from portal import roles
from portal.models import User


@admin.register(Token)
class TokenAdmin(LookOrDelete[Token]):
    list_display = ["name", "start", "scope", "user", "created", "last_used", "expires"]
    list_filter = ["created", "last_used", "expires"]
    list_select_related = ["user"]
    search_fields = ["name", "start", "user__username", "user__email"]
    fields = ["user", "name", "start", "scope", "created", "last_used", "expires"]
    ordering = ["-pk"]

    def has_delete_permission(self, request: HttpRequest, obj: Token | None = None) -> bool:
        """Not of those who may more: their programs would stop."""
        allowed = super().has_delete_permission(request, obj)
        return allowed and (obj is None or roles.may_change(cast(User, request.user), obj.user))
