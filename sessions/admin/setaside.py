"""What no row asked for and was set aside: put back, removed at once, or left until its time."""

from __future__ import annotations

from django.contrib import admin
from django.template.defaultfilters import filesizeformat
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal.templatetags.bindery import ago
from portal.templatetags.lifetimes import when_exactly
from sessions.admin import shown
from sessions.admin.deeds import Deed
from sessions.admin.look import Rows
from sessions.lifecycle import leftovers
from sessions.models import SetAside

ACT = "notebook_sessions.act_on_setaside"

PUT_BACK = Deed[SetAside](
    "put_back",
    gettext_lazy("Put back"),
    ACT,
    lambda row, _user: leftovers.put_back(row),
    lambda _row: _("The project of this name gets its folder back, if there is such a project."),
    lambda _row: set(),
)
REMOVE = Deed[SetAside](
    "remove_now",
    gettext_lazy("Remove now"),
    ACT,
    lambda row, _user: leftovers.remove_now(row),
    lambda _row: _("All that is in it is removed for good."),
    lambda _row: set(),
    danger=True,
)


@admin.register(SetAside)
class SetAsideAdmin(Rows[SetAside]):
    list_display = ("what", "how_large", "set_aside", "removed_on", "note")
    search_fields = ("name",)
    search_help_text = gettext_lazy("What was set aside, by its name")
    ordering = ("since", "pk")
    actions = ("export",)
    deeds = (PUT_BACK, REMOVE)
    columns = (
        ("kind", lambda row: row.kind),
        ("name", lambda row: row.name),
        ("bytes", lambda row: row.size),
        ("since", lambda row: row.since),
        ("until", lambda row: row.until),
        ("called", lambda row: row.aside),
    )
    fields = (("kind", "name"), "aside", "how_large", "since", "removed_on", "note")
    readonly_fields = ("how_large", "removed_on", "note")

    @admin.display(description=gettext_lazy("set aside"), ordering="name")
    def what(self, row: SetAside) -> SafeString:
        return shown.under(shown.link(row, row.name), row.get_kind_display())

    @admin.display(description=gettext_lazy("size"), ordering="size")
    def how_large(self, row: SetAside) -> SafeString | str:
        size = "" if row.size is None else filesizeformat(row.size)
        return shown.labelled(_("size"), size)

    @admin.display(description=gettext_lazy("since"), ordering="since")
    def set_aside(self, row: SetAside) -> SafeString | str:
        return ago(row.since)

    @admin.display(description=gettext_lazy("is removed"), ordering="since")
    def removed_on(self, row: SetAside) -> SafeString:
        return when_exactly(row.until)

    @admin.display(description=gettext_lazy("note"))
    def note(self, row: SetAside) -> str:
        return row.problem
