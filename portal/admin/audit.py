"""Show the audit log's entries in words: who changed what, from what, to what.

The list is here; `people` shows the same words on each person's page. Nobody can change an entry,
superusers included.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import auditlog.admin  # noqa: F401  (registers what is replaced here)
from auditlog.models import LogEntry
from auditlog.registry import auditlog as audited
from auditlog.render import get_field_verbose_name
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from keys.models import Token
from portal.lib.admin import ReadOnlyMixin
from portal.lib.db import row_number
from portal.models import User
from quotas.fields import FIELDS, format_number
from quotas.models import Grant, LimitSet

NOTHING = frozenset({"None", ""})
OMITTED_FIELDS = frozenset({"id", "user", "group"})
"""Fields that the entry's own title already names."""


@dataclass(frozen=True)
class Change:
    """One changed field; ``before`` and ``after`` are empty if there was, or is, no value."""

    field: str
    before: str
    after: str


def history_of(user: User, limit: int = 30) -> Any:
    """Return the newest entries about a person, at most ``limit``.

    These are their row, limits and grants, and those of their tokens that somebody else revoked.
    """
    types = ContentType.objects.get_for_models(User, LimitSet, Grant, Token)
    theirs = Q(content_type__in=[types[LimitSet], types[Grant]], additional_data__user=user.pk)
    tokens = Q(content_type=types[Token], additional_data__user=user.pk) & ~Q(actor=user)
    own = Q(content_type=types[User], object_id=user.pk)
    rows = LogEntry.objects.filter(own | theirs | tokens).select_related("actor", "content_type")
    return rows.order_by("-timestamp", "-pk")[:limit]


def changes(entry: Any) -> list[Change]:
    """Return the changed fields, without those that were empty before and after."""
    return [change for change in _changes(entry) if change.before or change.after]


def actor(entry: Any) -> str:
    """Return the username of whoever made the change, or "the portal itself"."""
    return entry.actor.username if entry.actor else _("the portal itself")


def row_url(entry: Any) -> str:
    """Return the address of the admin page that shows the changed row; "" if there is none."""
    about: dict[str, int | None] = entry.additional_data or {}
    label, model, pk = entry.content_type.app_label, entry.content_type.model, entry.object_id
    if about.get("user"):
        label, model, pk = "portal", "user", about["user"]
    elif about.get("group"):
        label, model, pk = "auth", "group", about["group"]
    try:
        return reverse(f"admin:{label}_{model}_change", args=[pk])
    except NoReverseMatch:
        return ""


def _changes(entry: Any) -> Iterator[Change]:
    for name, change in (entry.changes_dict or {}).items():
        label = str(get_field_verbose_name(entry, name))
        if isinstance(change, dict):  # a many-to-many field
            others = ", ".join(change["objects"])
            added = change["operation"] == "add"
            yield Change(label, "" if added else others, others if added else "")
        elif name not in OMITTED_FIELDS:
            yield Change(label, _format_value(change[0]), _format_value(change[1]))


def _format_value(value: str) -> str:
    if value in NOTHING:
        return ""
    if value in FIELDS:
        return str(FIELDS[value])
    try:
        return format_number(float(value))
    except ValueError:
        return value


admin.site.unregister(LogEntry)


class ActorFilter(admin.SimpleListFilter):
    """Filter by who made the change: current staff and superusers. Search finds everyone else."""

    title = gettext_lazy("who")
    parameter_name = "who"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        staff = User.objects.filter(Q(is_staff=True) | Q(is_superuser=True)).order_by("username")
        return [
            *((str(user.pk), user.username) for user in staff[:50]),
            ("0", gettext_lazy("the portal")),
        ]

    def queryset(self, request: HttpRequest, entries: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value() or ""
        if value == "0":
            return entries.filter(actor=None)
        number = row_number(value)
        return entries if number is None else entries.filter(actor=number)


class ModelFilter(admin.SimpleListFilter):
    """Filter by the model that was changed."""

    title = gettext_lazy("what")
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
class HistoryAdmin(ReadOnlyMixin, admin.ModelAdmin[Any]):
    """The read-only list of the audit log."""

    list_display = ["timestamp", "actor_name", "action", "changed_object", "changed_fields"]
    list_display_links = ["timestamp"]
    list_filter = [ActorFilter, ModelFilter, "action", "timestamp"]
    list_select_related = ["actor", "content_type"]
    search_fields = ["object_repr", "actor__username"]
    ordering = ["-timestamp"]
    fields = [
        "timestamp",
        "actor_name",
        "action",
        "changed_object",
        "changed_fields",
        "remote_addr",
    ]
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50

    @admin.display(description=gettext_lazy("who"))
    def actor_name(self, entry: Any) -> str:
        """Return the name of whoever made the change."""
        return actor(entry)

    @admin.display(description=gettext_lazy("what"))
    def changed_object(self, entry: Any) -> SafeString | str:
        """Return the model and name of the changed row, linked to its page if it has one."""
        name = f"{capfirst(entry.content_type.name)}: {entry.object_repr}"
        address = row_url(entry)
        return format_html('<a href="{}">{}</a>', address, name) if address else name

    @admin.display(description=gettext_lazy("changes"))
    def changed_fields(self, entry: Any) -> SafeString:
        """Return the changed fields as HTML."""
        context = {"changes": changes(entry)}
        return SafeString(render_to_string("admin/portal/_changes.html", context))
