"""The SSH servers that were met, for staff to see and to forget.

Where a server's people have given it a new key, staff who were told so take the old one away:
whoever meets the server next gets to know the new one.
"""

from __future__ import annotations

from django.contrib import admin

from keys.admin.look import LookOrDelete
from keys.models import KnownHost


@admin.register(KnownHost)
class KnownHostAdmin(LookOrDelete[KnownHost]):
    list_display = ["host", "fingerprint", "first_used", "first_user"]
    list_filter = ["first_used"]
    list_select_related = ["first_user"]
    search_fields = ["host", "fingerprint", "first_user__username"]
    fields = ["host", "key", "fingerprint", "first_used", "first_user"]
    ordering = ["host", "pk"]
