"""Filters and searches of the admin's lists.

Django's search asks of each row whether any column has the word. No index helps with that, least of
all across two tables. `PerColumnSearchAdmin` runs one query per column, each with its index, and
combines them.

No filter asks for the distinct values of a long table: choices come from the code, or from the last
month, for which there is an index.
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
MAX_INLINE_KEYS = 500


class PerColumnSearchAdmin(admin.ModelAdmin[R]):
    """A search of each of ``search_fields`` on its own; a field may begin with ``^`` or ``=``.

    A row is found if each word is in some column. Text in quotes is one word.
    """

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[R], search_term: str
    ) -> tuple[QuerySet[R], bool]:
        columns = self.get_search_fields(request)
        words = map(_unquoted, smart_split(search_term)) if columns else ()

        def having(rows: QuerySet[R], word: str) -> QuerySet[R]:
            return rows_in_any(rows, *(_matching(rows, column, word) for column in columns))

        return reduce(having, words, queryset), False


def rows_in_any(rows: QuerySet[R], *matches: QuerySet[R]) -> QuerySet[R]:
    """Return the rows of ``rows`` that are in one of ``matches``, querysets of the same model.

    A few are looked up by primary key: PostgreSQL expects thousands of rows from a union, and would
    then scan the whole table in the order of the list.
    """
    first, *others = (each.order_by().values_list("pk", flat=True) for each in matches)
    numbers = first.union(*others)
    few = list(numbers[: MAX_INLINE_KEYS + 1])
    return rows.filter(pk__in=few if len(few) <= MAX_INLINE_KEYS else numbers)


def _matching(rows: QuerySet[R], column: str, word: str) -> QuerySet[R]:
    lookup = _LOOKUPS.get(column[0], "icontains")
    everything = rows.model._default_manager.all()
    return everything.filter(**{f"{column.lstrip('^=')}__{lookup}": word})


def _unquoted(word: str) -> str:
    if len(word) > 1 and word[0] == word[-1] and word[0] in "\"'":
        return unescape_string_literal(word)
    return word


TEMPLATE = "admin/notebook_sessions/filter.html"
CODES_PERIOD = timedelta(days=30)
MAX_CODES = 40


class TemplatedListFilter(admin.SimpleListFilter):
    """A filter with the portal's template."""

    template = TEMPLATE


class DateFilter(admin.DateFieldListFilter):
    """A filter by date: today, the last days, this month or this year."""

    template = TEMPLATE


class ChoicesFilter(admin.ChoicesFieldListFilter):
    """A filter by the choices of a column."""

    template = TEMPLATE


class BooleanFilter(admin.BooleanFieldListFilter):
    """A filter by yes or no."""

    template = TEMPLATE


class FieldFilter(TemplatedListFilter):
    """A filter with one condition: ``field`` equals the chosen value."""

    field: ClassVar[str]

    def queryset(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.filter(**{self.field: self.value()}) if self.value() else rows


class ProviderFilter(FieldFilter):
    """Where the repository is."""

    title = _("provider")
    parameter_name = field = "provider"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(provider.key, provider.label) for provider in PROVIDERS.values()]


class OwnerGroupFilter(TemplatedListFilter):
    """A group that the owner is in."""

    title = _("owner’s group")
    parameter_name = "group"
    owner_field: ClassVar[str] = "owner"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [(str(pk), name) for pk, name in Group.objects.values_list("pk", "name")]

    def queryset(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        group = row_number(self.value() or "")
        if group is None:
            return rows
        members = Group.user_set.through.objects.filter(group_id=group).values("user")
        return rows.filter(**{f"{self.owner_field}__in": members})


class SessionOwnerGroupFilter(OwnerGroupFilter):
    """A group that the owner of the session's project is in."""

    owner_field = "project__owner"


class StateFilter(TemplatedListFilter):
    """The state that a project shows."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> Iterable[tuple[str, Any]]:
        return ProjectState.choices

    def queryset(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.in_state(self.value()) if self.value() else rows  # type: ignore[attr-defined]


class DeletionFilter(TemplatedListFilter):
    """Whether the project is about to be deleted because nobody uses it."""

    title = _("deletion")
    parameter_name = "deletion"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("announced", _("announced")),
            ("untold", _("postponed: its owner has not been notified yet")),
            ("undecided", _("needs you: the letter was refused")),
        ]

    def queryset(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        wanted = {
            "announced": Project.objects.expiring,
            "untold": Project.objects.awaiting_letter,
            "undecided": Project.objects.with_refused_letter,
        }.get(self.value() or "")
        return rows.filter(pk__in=wanted().order_by().values("pk")) if wanted else rows


class DeletedFilter(TemplatedListFilter):
    """Whether the project is deleted; without a choice, only existing ones are listed."""

    title = _("deleted")
    parameter_name = "deleted"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("restorable", _("Deleted, restorable")),
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
            return rows.restorable()  # type: ignore[attr-defined, no-any-return]
        return rows.filter(removed__isnull=self.value() != "yes")


class CodeFilter(FieldFilter):
    """Failure codes of the last month. Any other can be given in the URL."""

    title = _("error code")
    parameter_name = field = "code"
    ended_field: ClassVar[str] = "ended"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        since = {f"{self.ended_field}__gte": timezone.now() - CODES_PERIOD}
        recent = model_admin.model.objects.filter(**since).exclude(code="")
        codes = recent.order_by("code").values_list("code", flat=True).distinct()[:MAX_CODES]
        return [(code, code) for code in sorted({*codes, *filter(None, [self.chosen])})]

    def __init__(self, request: HttpRequest, params: Any, model: Any, model_admin: Any) -> None:
        chosen = params.get(self.parameter_name) or [""]
        self.chosen = chosen[-1] if isinstance(chosen, list) else chosen
        super().__init__(request, params, model, model_admin)


class BuildCodeFilter(CodeFilter):
    """Failure codes of builds."""

    ended_field = "finished"


class GpuFilter(TemplatedListFilter):
    """Whether the session has a GPU."""

    title = _("GPU")
    parameter_name = "gpu"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("With GPU")), ("no", _("Without"))]

    def queryset(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "yes":
            return rows.filter(gpu__gt=0)
        return rows.filter(gpu=0) if self.value() == "no" else rows


class LiveFilter(TemplatedListFilter):
    """Only rows that run or are starting; there is an index for it."""

    title = _("running")
    parameter_name = "live"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("Starting or running"))]

    def queryset(self, request: HttpRequest, rows: QuerySet[Any]) -> QuerySet[Any]:
        return rows.live() if self.value() else rows  # type: ignore[attr-defined]
