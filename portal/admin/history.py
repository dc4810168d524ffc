"""The list of what the audit has kept. Nobody changes it, superusers neither."""

from __future__ import annotations

from typing import Any

import auditlog.admin  # noqa: F401  registers its own, which ours takes the place of
from auditlog.models import LogEntry
from auditlog.registry import auditlog as audited
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from portal.admin import audit
from portal.models import User
from portal.numbers import row_number

admin.site.unregister(LogEntry)


class Who(admin.SimpleListFilter):
    """Whoever may change something at present; others are found by searching."""

    title = _("who")
    parameter_name = "who"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        staff = User.objects.filter(Q(is_staff=True) | Q(is_superuser=True)).order_by("username")
        return [*((str(user.pk), user.username) for user in staff[:50]), ("0", _("the portal"))]

    def queryset(self, request: HttpRequest, entries: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value() or ""
        if value == "0":
            return entries.filter(actor=None)
        number = row_number(value)
        return entries if number is None else entries.filter(actor=number)


class What(admin.SimpleListFilter):
    title = _("what")
    parameter_name = "what"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        types = ContentType.objects.get_for_models(*audited.get_models())
        return [(str(kind.pk), capfirst(model._meta.verbose_name_plural))
                for model, kind in types.items()]  # fmt: skip

    def queryset(self, request: HttpRequest, entries: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value() or ""
        number = row_number(value)
        return entries if number is None else entries.filter(content_type=number)


@admin.register(LogEntry)
class HistoryAdmin(admin.ModelAdmin[Any]):
    list_display = ["timestamp", "who", "action", "what", "what_changed"]
    list_display_links = ["timestamp"]
    list_filter = [Who, What, "action", "timestamp"]
    list_select_related = ["actor", "content_type"]
    search_fields = ["object_repr", "actor__username"]
    ordering = ["-timestamp"]
    fields = ["timestamp", "who", "action", "what", "what_changed", "remote_addr"]
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @admin.display(description=_("who"))
    def who(self, entry: Any) -> str:
        return audit.actor(entry)

    @admin.display(description=_("what"))
    def what(self, entry: Any) -> SafeString | str:
        name = f"{capfirst(entry.content_type.name)}: {entry.object_repr}"
        address = audit.address(entry)
        return format_html('<a href="{}">{}</a>', address, name) if address else name

    @admin.display(description=_("changes"))
    def what_changed(self, entry: Any) -> SafeString:
        context = {"changes": audit.changes(entry)}
        return SafeString(render_to_string("admin/portal/_changes.html", context))
