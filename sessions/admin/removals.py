"""Admin of removals, of things that were set aside, and of the installation's row.

A removal says what the portal removed on its own, how much it was, and why. A thing that belongs to
no row was set aside: staff can put it back, remove it at once, or leave it until its time is up.
The installation's row has its id, and says how many days set-aside data is kept.
"""

from __future__ import annotations

from django.contrib import admin
from django.template.defaultfilters import filesizeformat
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal.lib.admin import FixedRowsMixin
from portal.models import Installation
from portal.templatetags.bindery import ago
from portal.templatetags.lifetimes import relative_time_html
from sessions.lifecycle import orphans
from sessions.models import Removal, SetAside

from . import display, filters
from .bulk_action import BulkAction, ReadOnlyAdmin


class SizeMixin:
    """A list with the column ``size_display``."""

    @admin.display(description=gettext_lazy("size"), ordering="size")
    def size_display(self, row: Removal | SetAside) -> SafeString | str:
        """Return the size for people; "" if unknown."""
        size = "" if row.size is None else filesizeformat(row.size)
        return display.labelled(_("size"), size)


@admin.register(Removal)
class RemovalAdmin(SizeMixin, ReadOnlyAdmin[Removal]):
    """The log of what the portal removed by itself."""

    list_display = ("kind_and_name", "count_display", "size_display", "removed_ago", "reason")
    list_filter = (("kind", filters.ChoicesFilter), ("at", filters.DateFilter))
    search_fields = ("name",)
    search_help_text = gettext_lazy("Name of the removed item")
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
    fields = (("kind", "name"), ("count", "size_display"), "at", "why")
    readonly_fields = ("size_display",)

    @admin.display(description=gettext_lazy("removed"), ordering="kind")
    def kind_and_name(self, removal: Removal) -> SafeString:
        """Return the kind of thing, which links to the entry's page, above its name."""
        kind = removal.get_kind_display()
        return display.stacked(display.link(removal, kind), removal.name)

    @admin.display(description=gettext_lazy("number"), ordering="count")
    def count_display(self, removal: Removal) -> SafeString | str:
        """Return how many things were removed."""
        return display.labelled(_("number"), removal.count)

    @admin.display(description=gettext_lazy("when"), ordering="at")
    def removed_ago(self, removal: Removal) -> SafeString | str:
        """Return how long ago it was removed."""
        return ago(removal.at)

    @admin.display(description=gettext_lazy("why"))
    def reason(self, removal: Removal) -> str:
        """Return why it was removed."""
        return removal.why


ACT_PERMISSION = "notebook_sessions.act_on_setaside"

PUT_BACK = BulkAction[SetAside](
    "put_back",
    gettext_lazy("Put back"),
    ACT_PERMISSION,
    lambda row, _user: orphans.put_back(row),
    lambda _row: _("The project with this name gets its folder back, if it exists."),
)
REMOVE = BulkAction[SetAside](
    "remove_now",
    gettext_lazy("Remove now"),
    ACT_PERMISSION,
    lambda row, _user: orphans.remove_now(row),
    lambda _row: _("The folder and everything in it are removed for good."),
    danger=True,
)


@admin.register(SetAside)
class SetAsideAdmin(SizeMixin, ReadOnlyAdmin[SetAside]):
    """Things that were set aside, with actions to put them back or remove them now."""

    list_display = ("name_and_kind", "size_display", "set_aside_ago", "removed_on", "note")
    search_fields = ("name",)
    search_help_text = gettext_lazy("Name of the item set aside")
    ordering = ("since", "pk")
    actions = ("export",)
    bulk_actions = (PUT_BACK, REMOVE)
    columns = (
        ("kind", lambda row: row.kind),
        ("name", lambda row: row.name),
        ("bytes", lambda row: row.size),
        ("since", lambda row: row.since),
        ("until", lambda row: row.until),
        ("called", lambda row: row.aside),
    )
    fields = (("kind", "name"), "aside", "size_display", "since", "removed_on", "note")
    readonly_fields = ("size_display", "removed_on", "note")

    @admin.display(description=gettext_lazy("set aside"), ordering="name")
    def name_and_kind(self, row: SetAside) -> SafeString:
        """Return the name, which links to the entry's page, above the kind of thing."""
        return display.stacked(display.link(row, row.name), row.get_kind_display())

    @admin.display(description=gettext_lazy("since"), ordering="since")
    def set_aside_ago(self, row: SetAside) -> SafeString | str:
        """Return how long ago it was set aside."""
        return ago(row.since)

    @admin.display(description=gettext_lazy("expires"), ordering="since")
    def removed_on(self, row: SetAside) -> SafeString:
        """Return when it will be removed."""
        return relative_time_html(row.until)

    @admin.display(description=gettext_lazy("note"))
    def note(self, row: SetAside) -> str:
        """Return what went wrong with it at the last attempt; "" if nothing."""
        return row.problem


@admin.register(Installation)
class InstallationAdmin(FixedRowsMixin, admin.ModelAdmin[Installation]):
    """One row; the first start creates it, and `manage.py adopt` changes it."""

    list_display = ("id", "made", "keep_days")
    fields = ("id", "made", "keep_days")
    readonly_fields = ("id", "made")
