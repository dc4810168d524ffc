"""Act on several rows at once: a page says what will happen, then the action runs.

Each row's action is a call of `lifecycle` in a transaction of its own, so that a refusal for one
row leaves the others alone. The outcome is shown afterwards and kept in the row's history.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from portal.models import User
from sessions.errors import BinderyError

MAX_ROWS = 200
"""Maximum number of rows; more would keep the browser waiting for too long."""
MAX_NAMED_ROWS = 5

R = TypeVar("R", bound=Model)


@dataclass(frozen=True)
class BulkAction(Generic[R]):
    """An action on rows, with a confirmation page.

    ``act`` does it to one row, and raises `BinderyError` if that is not possible. ``effect``
    returns in advance what it will do to a row, "" if nothing. ``affected_people`` returns the
    usernames of those it concerns. ``label`` is the text of the button.
    """

    name: str
    label: Any
    permission: str
    act: Callable[[R, User], Any]
    effect: Callable[[R], str]
    affected_people: Callable[[R], set[str]]
    danger: bool = False

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
        if "confirmed" in request.POST:  # whatever filters the list has by now
            pks = request.POST.getlist(ACTION_CHECKBOX_NAME)
            queryset = admin.get_queryset(request).filter(pk__in=pks[:MAX_ROWS])
        rows = list(queryset[: MAX_ROWS + 1])
        if len(rows) > MAX_ROWS:
            message = _("At most %(most)d at once. Narrow the list, or choose fewer.")
            admin.message_user(request, message % {"most": MAX_ROWS}, messages.WARNING)
            return None
        if "confirmed" not in request.POST:
            return self._confirm(admin, request, rows)
        self._apply(admin, request, rows)
        return None

    def _confirm(self, admin: Any, request: HttpRequest, rows: list[R]) -> TemplateResponse:
        will = [(row, self.effect(row)) for row in rows]
        concerned = Counter(
            name for row, what in will if what for name in self.affected_people(row)
        )
        context = {
            **admin.admin_site.each_context(request),
            "title": self.label,
            "opts": admin.opts,
            "bulk_action": self,
            "outcomes": _grouped(will),
            "affected_people": concerned.most_common(),
            "unaffected_rows": [row for row, what in will if not what],
            "checkbox_name": ACTION_CHECKBOX_NAME,
        }
        return TemplateResponse(request, "admin/notebook_sessions/confirm.html", context)

    def _apply(self, admin: Any, request: HttpRequest, rows: list[R]) -> None:
        done: list[R] = []
        refused: dict[str, list[R]] = defaultdict(list)
        for row in rows:
            try:
                self.act(row, cast(User, request.user))
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
