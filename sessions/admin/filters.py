"""Filters and searches of the admin's lists.

A search in the admin, by each column by itself.

Django asks of one row after another whether any of its columns has the word, which no index
helps, least of all across two tables. Of several queries, put together, each has its index.

What the lists are narrowed by, beyond a column's own values.

None of them asks for the distinct values of a long table: choices are the code's own, or those
of the last month, for which an index serves.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from functools import reduce
from typing import Any, ClassVar, TypeVar

from django.contrib import admin
from django.contrib.auth.models import Group
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.text import smart_split, unescape_string_literal
from django.utils.translation import gettext_lazy as _

from portal.lib.db import row_number
from sessions.models import Project
from sessions.providers import PROVIDERS
from sessions.states import ProjectState

R = TypeVar("R", bound=Model)
_LOOKUPS = {"^": "istartswith", "=": "iexact"}
FEW = 500


class ByColumn(admin.ModelAdmin[R]):
    """For an admin with ``search_fields``, which may begin with ``^`` or ``=``; it has the rows
    in which each of the words is in some column. What stands in quotes is one word."""

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[R], search_term: str
    ) -> tuple[QuerySet[R], bool]:
        columns = self.get_search_fields(request)
        words = map(_unquoted, smart_split(search_term)) if columns else ()

        def having(rows: QuerySet[R], word: str) -> QuerySet[R]:
            return among(rows, *(_by(rows, column, word) for column in columns))

        return reduce(having, words, queryset), False


def among(rows: QuerySet[R], *found: QuerySet[R]) -> QuerySet[R]:
    """Those of ``rows`` that one of the others has, which are of the same model.

    Few of them are asked for by number: PostgreSQL takes a union for thousands, and then goes
    through the whole table in the order of the list.
    """
    first, *others = (each.order_by().values_list("pk", flat=True) for each in found)
    numbers = first.union(*others)
    few = list(numbers[: FEW + 1])
    return rows.filter(pk__in=few if len(few) <= FEW else numbers)


def _by(rows: QuerySet[R], column: str, word: str) -> QuerySet[R]:
    lookup = _LOOKUPS.get(column[0], "icontains")
    everything = rows.model._default_manager.all()
    return everything.filter(**{f"{column.lstrip('^=')}__{lookup}": word})


def _unquoted(word: str) -> str:
    if len(word) > 1 and word[0] == word[-1] and word[0] in "\"'":
        return unescape_string_literal(word)
    return word


TEMPLATE = "admin/notebook_sessions/filter.html"
RECENT = timedelta(days=30)
MOST_CODES = 40


class Choice(admin.SimpleListFilter):
    """A choice of our own."""

    template = TEMPLATE


class Dates(admin.DateFieldListFilter):
    """Today, the last days, this month or year."""

    template = TEMPLATE


class Choices(admin.ChoicesFieldListFilter):
    """The choices of a column."""

    template = TEMPLATE


class Either(admin.BooleanFieldListFilter):
    """Yes or no."""

    template = TEMPLATE


class Filter(Choice):
    """A choice that is one condition: ``field`` equals what was chosen."""

    field: ClassVar[str]

    def queryset(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.filter(**{self.field: self.value()}) if self.value() else rows


class Provider(Filter):
    title = _("provider")
    parameter_name = field = "provider"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(provider.key, provider.label) for provider in PROVIDERS.values()]


class OwnersGroup(Choice):
    title = _("owner’s group")
    parameter_name = "group"
    owner: ClassVar[str] = "owner"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(str(pk), name) for pk, name in Group.objects.values_list("pk", "name")]

    def queryset(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        group = row_number(self.value() or "")
        if group is None:
            return rows
        members = Group.user_set.through.objects.filter(group_id=group).values("user")
        return rows.filter(**{f"{self.owner}__in": members})


class SessionOwnersGroup(OwnersGroup):
    owner = "project__owner"


class State(Choice):
    """The state that a project shows."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return ProjectState.choices

    def queryset(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.in_state(self.value()) if self.value() else rows  # type: ignore[attr-defined]


class Deletion(Choice):
    """Whether it is about to be deleted because nobody uses it."""

    title = _("deletion")
    parameter_name = "deletion"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("announced", _("announced")),
            ("untold", _("put off: its owner is not told yet")),
            ("undecided", _("waits for you: the letter is refused")),
        ]

    def queryset(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        wanted = {
            "announced": Project.objects.going,
            "untold": Project.objects.untold,
            "undecided": Project.objects.undecided,
        }.get(self.value() or "")
        return rows.filter(pk__in=wanted().order_by().values("pk")) if wanted else rows


class Deleted(Choice):
    """Whoever comes to the list comes for what is there."""

    title = _("deleted")
    parameter_name = "deleted"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("restorable", _("Deleted, can be restored")),
            ("yes", _("Deleted")),
            ("all", _("All")),
        ]

    def choices(self, changelist: Any) -> Any:
        existing, *others = super().choices(changelist)
        yield {**existing, "display": _("Existing")}
        yield from others

    def queryset(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "all":
            return rows
        if self.value() == "restorable":
            return rows.set_aside()  # type: ignore[attr-defined, no-any-return]
        return rows.filter(removed__isnull=self.value() != "yes")


class Code(Filter):
    """The codes that things ended with in the last month; any other by its address."""

    title = _("code of failure")
    parameter_name = field = "code"
    ended: ClassVar[str] = "ended"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        since = {f"{self.ended}__gte": timezone.now() - RECENT}
        recent = model_admin.model.objects.filter(**since).exclude(code="")
        codes = recent.order_by("code").values_list("code", flat=True).distinct()[:MOST_CODES]
        return [(code, code) for code in sorted({*codes, *filter(None, [self.chosen])})]

    def __init__(self, request: HttpRequest, params: Any, model: Any, model_admin: Any) -> None:
        chosen = params.get(self.parameter_name) or [""]
        self.chosen = chosen[-1] if isinstance(chosen, list) else chosen
        super().__init__(request, params, model, model_admin)


class BuildCode(Code):
    ended = "finished"


class Gpu(Choice):
    title = _("GPU")
    parameter_name = "gpu"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("With GPU")), ("no", _("Without"))]

    def queryset(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "yes":
            return rows.filter(gpu__gt=0)
        return rows.filter(gpu=0) if self.value() == "no" else rows


class Live(Choice):
    """What runs or is on its way: an index serves."""

    title = _("running")
    parameter_name = "live"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("On its way or running"))]

    def queryset(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.live() if self.value() else rows  # type: ignore[attr-defined]
