"""Removals: what the portal has removed on its own, how much that was, and why."""

from __future__ import annotations

from django.contrib import admin
from django.template.defaultfilters import filesizeformat
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal.templatetags.bindery import ago
from sessions.admin import filters, shown
from sessions.admin.look import Rows
from sessions.models import Removal


@admin.register(Removal)
class RemovalAdmin(Rows[Removal]):
    list_display = ("what", "how_many", "how_large", "when", "reason")
    list_filter = (("kind", filters.Choices), ("at", filters.Dates))
    search_fields = ("name",)
    search_help_text = gettext_lazy("What was removed, by its name")
    ordering = ("-at", "-pk")
    actions = ("export",)
    columns = (
        ("at", lambda removal: removal.at),
        ("kind", lambda removal: removal.kind),
        ("name", lambda removal: removal.name),
        ("number", lambda removal: removal.count),
        ("bytes", lambda removal: removal.size),
        ("why", lambda removal: removal.why),
    )
    fields = (("kind", "name"), ("count", "how_large"), "at", "why")
    readonly_fields = ("how_large",)

    @admin.display(description=gettext_lazy("removed"), ordering="kind")
    def what(self, removal: Removal) -> SafeString:
        kind = removal.get_kind_display()
        return shown.under(shown.link(removal, kind), removal.name)

    @admin.display(description=gettext_lazy("number"), ordering="count")
    def how_many(self, removal: Removal) -> SafeString | str:
        return shown.labelled(_("number"), removal.count)

    @admin.display(description=gettext_lazy("size"), ordering="size")
    def how_large(self, removal: Removal) -> SafeString | str:
        size = "" if removal.size is None else filesizeformat(removal.size)
        return shown.labelled(_("size"), size)

    @admin.display(description=gettext_lazy("when"), ordering="at")
    def when(self, removal: Removal) -> SafeString | str:
        return ago(removal.at)

    @admin.display(description=gettext_lazy("why"))
    def reason(self, removal: Removal) -> str:
        return removal.why
