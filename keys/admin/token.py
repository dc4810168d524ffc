"""Admin of tokens and known SSH servers.

Rows that people or the portal itself make: staff look at them, and take them away.

The SSH servers that were met, for staff to see and to forget.

Where a server's people have given it a new key, staff who were told so take the old one away:
whoever meets the server next gets to know the new one.

Tokens, for staff to see and to take away. Nobody makes one here: its secret is shown once, to
the person themselves.
"""

from __future__ import annotations

from typing import Any, TypeVar, cast

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from keys.models import KnownHost, Token
from portal import roles
from portal.models import User

Row = TypeVar("Row", bound=Model)


class LookOrDelete(admin.ModelAdmin[Row]):
    """Nothing is made or changed here, and nothing counted that a list does not need."""

    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(KnownHost)
class KnownHostAdmin(LookOrDelete[KnownHost]):
    list_display = ["host", "fingerprint", "first_used", "first_user"]
    list_filter = ["first_used"]
    list_select_related = ["first_user"]
    search_fields = ["host", "fingerprint", "first_user__username"]
    fields = ["host", "key", "fingerprint", "first_used", "first_user"]
    ordering = ["host", "pk"]


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
