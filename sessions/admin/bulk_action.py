"""Act on several rows at once: a page says what will happen, then the action runs.

Each row's action is a call in a transaction of its own, so that a refusal for one row leaves the
others alone. The outcome is shown afterwards and kept in the row's history. `ReadOnlyAdmin` is the
base class of lists and pages that change rows in no other way.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar, cast

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from portal.lib.admin import BoundedPaginator, CsvExportMixin, FastCheckboxMixin, ReadOnlyMixin
from portal.models import User
from sessions.errors import BinderyError

from .filters import PerColumnSearchAdmin

MAX_ROWS = 200
"""Maximum number of rows; more would keep the browser waiting for too long."""
MAX_NAMED_ROWS = 5

R = TypeVar("R", bound=Model)


@dataclass(frozen=True)
class BulkAction(Generic[R]):
    """An action on rows, with a confirmation page.

    ``act`` does it to one row. It gets the row, the user and, if there is one, the valid form; it
    raises `BinderyError` if it is not possible. ``effect`` returns in advance what it will do to a
    row, "" if nothing. ``affected_people`` returns the usernames of those it concerns. ``label`` is
    the text of the button.

    ``form`` makes the form on the page, or None, from the POST data (None at first), the user and
    the rows. ``allowed`` narrows rows to those that a user may act on; ``excluded`` says why the
    others are skipped.
    """

    name: str
    label: Any
    permission: str
    act: Callable[..., Any]
    effect: Callable[[R], str]
    affected_people: Callable[[R], set[str]] = lambda _row: set()
    danger: bool = False
    form: Callable[[Any, User, list[R]], forms.BaseForm | None] = lambda *_given: None
    allowed: Callable[[User, QuerySet[R]], QuerySet[R]] = lambda _user, rows: rows
    excluded: Any = ""
    max_rows: int = MAX_ROWS

    def is_possible(self, row: R, user: Any) -> bool:
        """Return whether the user may do this and it would change the row."""
        return user.has_perm(self.permission) and bool(self.effect(row))

    def as_action(self) -> tuple[Callable[..., Any], str, Any]:
        """Return the action in the form that Django's admin expects."""
        return self.run, self.name, self.label

    def run(
        self, admin: Any, request: HttpRequest, queryset: QuerySet[R]
    ) -> TemplateResponse | None:
        """Show the confirmation page; once that is submitted, act on the rows."""
        confirmed = "confirmed" in request.POST
        if confirmed:  # whatever filters the list has by now
            pks = request.POST.getlist(ACTION_CHECKBOX_NAME)
            queryset = admin.get_queryset(request).filter(pk__in=pks[: self.max_rows])
        chosen = list(queryset[: self.max_rows + 1])
        if len(chosen) > self.max_rows:
            message = _(
                "You can select at most %(most)d at once. Narrow the list, or select fewer."
            )
            admin.message_user(request, message % {"most": self.max_rows}, messages.WARNING)
            return None
        user = cast(User, request.user)
        allowed = set(self.allowed(user, queryset))
        rows = [row for row in chosen if row in allowed]
        form = self.form(request.POST if confirmed else None, user, rows)
        if confirmed and rows and (form is None or form.is_valid()):
            self._apply(admin, request, rows, form)
            return None
        excluded = [row for row in chosen if row not in allowed]
        return self._confirm(admin, request, rows, excluded, form)

    def _confirm(
        self,
        admin: Any,
        request: HttpRequest,
        rows: list[R],
        excluded: list[R],
        form: forms.BaseForm | None,
    ) -> TemplateResponse:
        will = [(row, self.effect(row)) for row in rows]
        concerned = Counter(
            name for row, what in will if what for name in self.affected_people(row)
        )
        unaffected = [row for row, what in will if not what]
        unchanged = ngettext("%(n)d does not change", "%(n)d do not change", len(unaffected))
        context = {
            **admin.admin_site.each_context(request),
            "title": self.label,
            "opts": admin.opts,
            "bulk_action": self,
            "outcomes": _grouped(will),
            "affected_people": concerned.most_common(),
            "skipped": [
                (unchanged % {"n": len(unaffected)}, unaffected),
                (self.excluded, excluded),
            ],
            "form": form,
            "checkbox_name": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/bulk_action.html", context)

    def _apply(
        self, admin: Any, request: HttpRequest, rows: list[R], form: forms.BaseForm | None
    ) -> None:
        done: list[R] = []
        refused: dict[str, list[R]] = defaultdict(list)
        given = [request.user] if form is None else [request.user, form]
        for row in rows:
            try:
                self.act(row, *given)
            except BinderyError as error:
                refused[error.message].append(row)
            else:
                done.append(row)
                admin.log_change(request, row, str(self.label))
        if done:
            message = f"{self.label}: {_named(done)}"
            admin.message_user(request, message, messages.SUCCESS)
        for sentence, rows_ in refused.items():
            message = _("Not possible for %(rows)s: %(reason)s")
            values = {"rows": _named(rows_), "reason": sentence}
            admin.message_user(request, message % values, messages.WARNING)


class BulkActionsMixin:
    """An admin with ``bulk_actions``, for those who have their permissions."""

    bulk_actions: ClassVar[tuple[BulkAction[Any], ...]] = ()

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Return Django's own actions, and those of ``bulk_actions`` that this person may do."""
        allowed = [
            action for action in self.bulk_actions if request.user.has_perm(action.permission)
        ]
        actions = super().get_actions(request)  # type: ignore[misc]
        return {**{action.name: action.as_action() for action in allowed}, **actions}


def _grouped(will: list[tuple[R, str]]) -> list[tuple[str, list[R]]]:
    """Return the rows grouped by what will happen to them, the most frequent first."""
    groups: dict[str, list[R]] = defaultdict(list)
    for row, what in will:
        if what:
            groups[what].append(row)
    return sorted(groups.items(), key=lambda group: -len(group[1]))


def _named(rows: list[R]) -> str:
    """Return the names of the first few rows, and how many more there are."""
    names = ", ".join(str(row) for row in rows[:MAX_NAMED_ROWS])
    more = len(rows) - MAX_NAMED_ROWS
    if more <= 0:
        return names
    return ngettext("%(names)s and %(more)d more", "%(names)s and %(more)d more", more) % {
        "names": names,
        "more": more,
    }


class ReadOnlyAdmin(
    ReadOnlyMixin, BulkActionsMixin, CsvExportMixin, FastCheckboxMixin, PerColumnSearchAdmin[R]
):
    """A read-only list of many rows, with actions.

    The page of a row has the actions as buttons, which lead to the same confirmation page.
    """

    change_form_template = "admin/notebook_sessions/readonly_change_form.html"
    empty_value_display = ""
    paginator = BoundedPaginator
    list_per_page = 40
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    actions_selection_counter = True

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        row = self.get_object(request, object_id)
        context = self.page_context(request, row) if row else {}
        context["bulk_actions"] = [
            action for action in self.bulk_actions if row and action.is_possible(row, request.user)
        ]
        return super().change_view(
            request, object_id, form_url, {**context, **(extra_context or {})}
        )

    def page_context(self, request: HttpRequest, row: Any) -> dict[str, Any]:
        """Return more context for the row's page, shown below its fields."""
        return {}
