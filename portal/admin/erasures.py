"""People who were erased, and their volumes: what is in use yet, to be removed, or removed.

The portal never removes anybody's files; whoever did it by hand says so here.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from portal import erasing
from portal.models import Erasure, User
from portal.templatetags.bindery import ago
from sessions.admin.deeds import Deed
from sessions.admin.look import Rows
from sessions.errors import StateConflict


def confirm(row: Erasure, _user: User) -> None:
    """Note that the volume was removed; its name, which names the person, goes with it."""
    if not _happens(row):
        raise StateConflict("erasure.state", _("Its volume is in use yet, or is gone already."))
    row.confirm_removal()


def _happens(row: Erasure) -> str:
    if row.removed or erasing.awaited([row]):
        return ""
    return _("It is noted that the volume was removed, and its name is forgotten here.")


class Removal(admin.SimpleListFilter):
    title = gettext_lazy("volume")
    parameter_name = "volume"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("there", gettext_lazy("to be removed")), ("removed", gettext_lazy("removed"))]

    def queryset(self, request: HttpRequest, rows: QuerySet[Erasure]) -> QuerySet[Erasure]:
        wanted = {"there": True, "removed": False}.get(self.value() or "")
        return rows if wanted is None else rows.filter(removed__isnull=wanted)


class ErasuresList(ChangeList):
    """The list's page, each row knowing whether it is finished."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        self.result_list: Any = list(self.result_list)
        found = erasing.awaited(self.result_list)
        for row in self.result_list:
            row.is_awaited = row.pk in found


@admin.register(Erasure)
class ErasureAdmin(Rows[Erasure]):
    list_display = ("shown_volume", "progress", "when", "who")
    list_filter = (Removal,)
    list_select_related = ("by",)
    search_fields = ("volume", "by__username")
    ordering = ("-erased", "-pk")
    actions = ("export",)
    deeds = (
        Deed(
            "volume_removed",
            gettext_lazy("Volume removed"),
            "portal.confirm_removal",
            confirm,
            _happens,
            lambda _row: set(),
        ),
    )
    columns = (
        ("volume", lambda row: row.volume),
        ("erased", lambda row: row.erased),
        ("by", lambda row: row.by.username if row.by else ""),
        ("volume_removed", lambda row: row.removed),
    )
    fields = ("shown_volume", "progress", "erased", "who", "removed")
    readonly_fields = ("shown_volume", "progress", "who")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ErasuresList]:
        return ErasuresList

    @admin.display(description=gettext_lazy("volume"), ordering="volume")
    def shown_volume(self, row: Erasure) -> str:
        return row.volume or _("removed")

    @admin.display(description=gettext_lazy("how it stands"))
    def progress(self, row: Any) -> str:
        if row.removed:
            return _("all done")
        if row.is_awaited if hasattr(row, "is_awaited") else erasing.awaited([row]):
            return _("notebooks still stop: the volume is in use")
        return _("remove the volume by hand")

    @admin.display(description=gettext_lazy("erased"), ordering="erased")
    def when(self, row: Erasure) -> Any:
        return ago(row.erased)

    @admin.display(description=gettext_lazy("by"), ordering="by__username")
    def who(self, row: Erasure) -> str:
        return row.by.username if row.by else ""
