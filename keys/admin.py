"""Admin of API tokens and known SSH servers: staff see and delete them.

Nobody makes a token here: its secret is shown once, to the person themselves. If a server's
operators announce a new host key, staff delete the old one; the next person to meet the server
records the new one.
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


class ViewOrDeleteAdmin(admin.ModelAdmin[Row]):
    """An admin that makes and changes nothing, and counts only what a list needs."""

    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(KnownHost)
class KnownHostAdmin(ViewOrDeleteAdmin[KnownHost]):
    """The known SSH servers."""

    list_display = ["host", "fingerprint", "first_used", "first_user"]
    list_filter = ["first_used"]
    list_select_related = ["first_user"]
    search_fields = ["host", "fingerprint", "first_user__username"]
    fields = ["host", "key", "fingerprint", "first_used", "first_user"]
    ordering = ["host", "pk"]


@admin.register(Token)
class TokenAdmin(ViewOrDeleteAdmin[Token]):
    """The API tokens."""

    list_display = ["name", "start", "scope", "user", "created", "last_used", "expires"]
    list_filter = ["created", "last_used", "expires"]
    list_select_related = ["user"]
    search_fields = ["name", "start", "user__username", "user__email"]
    fields = ["user", "name", "start", "scope", "created", "last_used", "expires"]
    ordering = ["-pk"]

    def has_delete_permission(self, request: HttpRequest, obj: Token | None = None) -> bool:
        """Refuse tokens of people with more permissions: their programs would stop."""
        allowed = super().has_delete_permission(request, obj)
        return allowed and (obj is None or roles.may_change(cast(User, request.user), obj.user))
