"""Who changed what from what to what: the audit's entries in words, for the list and for pages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from auditlog.models import LogEntry
from auditlog.render import get_field_verbose_name
from django.contrib.contenttypes.models import ContentType
from django.db.models import Q
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _

from keys.models import Token
from portal.models import User
from quotas.fields import FIELDS
from quotas.models import Grant, LimitSet
from quotas.wording import plain

NOTHING = frozenset({"None", ""})
OF_OTHERS = frozenset({"id", "user", "group"})
"""Fields that an entry's own title says already."""


@dataclass(frozen=True)
class Change:
    """``before`` and ``after`` are empty where there was, or is, nothing."""

    field: str
    before: str
    after: str


def history_of(user: User, most: int = 30) -> Any:
    """The newest entries about a person: their row, their limits, their grants, and their tokens
    that somebody else has taken away."""
    types = ContentType.objects.get_for_models(User, LimitSet, Grant, Token)
    theirs = Q(content_type__in=[types[LimitSet], types[Grant]], additional_data__user=user.pk)
    tokens = Q(content_type=types[Token], additional_data__user=user.pk) & ~Q(actor=user)
    own = Q(content_type=types[User], object_id=user.pk)
    rows = LogEntry.objects.filter(own | theirs | tokens).select_related("actor", "content_type")
    return rows.order_by("-timestamp", "-pk")[:most]


def changes(entry: Any) -> list[Change]:
    """What changed, in the words of the fields; nothing that is as empty as before."""
    return [change for change in _changes(entry) if change.before or change.after]


def actor(entry: Any) -> str:
    return entry.actor.username if entry.actor else _("the portal itself")


def address(entry: Any) -> str:
    """The admin's page on which what was changed is seen; "" where there is none."""
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
        if isinstance(change, dict):  # of many-to-many fields
            others = ", ".join(change["objects"])
            added = change["operation"] == "add"
            yield Change(label, "" if added else others, others if added else "")
        elif name not in OF_OTHERS:
            yield Change(label, _shown(change[0]), _shown(change[1]))


def _shown(value: str) -> str:
    if value in NOTHING:
        return ""
    if value in FIELDS:
        return str(FIELDS[value])
    try:
        return plain(float(value))
    except ValueError:
        return value
