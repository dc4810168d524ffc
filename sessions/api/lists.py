"""Filter, order and paginate lists of the API.

Pages use ``?limit=`` and ``?cursor=``, with the next page in the header ``Link`` (RFC 8288). The
body stays a plain list, as it was before there were pages. A cursor holds the position of the last
row, not its number, so rows that appear or disappear meanwhile neither repeat nor hide others.
"""

from __future__ import annotations

from datetime import datetime
from functools import reduce
from operator import or_
from typing import Any

from django import forms
from django.core import signing
from django.db.models import Model, Q
from django.http import Http404
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django_filters import rest_framework as filters
from django_filters.widgets import BooleanWidget
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

from portal.models import User
from sessions.errors import UserError
from sessions.models import Project
from sessions.models.project import ProjectQuerySet
from sessions.providers import PROVIDERS
from sessions.states import ProjectState

ORDERS = ["-created", "created", "-last_activity", "last_activity", "name", "-name"]


class YesNoWidget(BooleanWidget):  # type: ignore[misc]  # untyped
    """Keeps what is neither true nor false, where the original would take it for absent."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        found = super().value_from_datadict(data, files, name)
        return data.get(name) if found is None else found


class YesNoField(forms.NullBooleanField):
    """A boolean in a query; anything else is refused."""

    def clean(self, value: Any) -> Any:
        if value not in {None, "", True, False}:
            raise forms.ValidationError(_("Enter true or false."))
        return super().clean(value)


class YesNoFilter(filters.BooleanFilter):  # type: ignore[misc]  # untyped
    """A filter that is true, false or absent."""

    field_class = YesNoField


class ProjectFilter(filters.FilterSet):  # type: ignore[misc]  # untyped
    """Filters and order of the list of projects.

    Without ``owner`` the list has your own projects only, for staff too.
    """

    state = filters.MultipleChoiceFilter(
        choices=ProjectState.choices,
        method="in_states",
        help_text=gettext_lazy("The state; repeat it to match any of several."),
    )
    provider = filters.ChoiceFilter(
        choices=[(name, name) for name in PROVIDERS],
        help_text=gettext_lazy("The repository's host."),
    )
    repository = filters.CharFilter(
        help_text=gettext_lazy("The repository, written as in responses.")
    )
    ref = filters.CharFilter(
        help_text=gettext_lazy("The branch, tag or commit requested at launch.")
    )
    q = filters.CharFilter(
        method="with_text", help_text=gettext_lazy("Text in the name or the repository.")
    )
    ordering = filters.ChoiceFilter(
        choices=[(order, order) for order in ORDERS],
        method="in_order",
        help_text=gettext_lazy("The sort order; newest first by default."),
    )
    owner = filters.CharFilter(
        help_text=gettext_lazy(
            "For staff: a username, or `all` for everyone's projects. Rows then have `owner`."
        ),
    )

    deleted = YesNoFilter(
        widget=YesNoWidget,
        help_text=gettext_lazy(
            "`true`: list deleted projects that can be restored instead. Rows then have `owner`, "
            "`deleted` and `restorable_until`."
        ),
    )

    class Meta:
        model = Project
        fields: tuple[str, ...] = ()

    def filter_queryset(self, queryset: ProjectQuerySet) -> ProjectQuerySet:
        owner, user = self.form.cleaned_data.pop("owner"), self.request.user
        if self.form.cleaned_data.pop("deleted"):
            queryset = Project.objects.restorable_by(user).order_by("-created")
        try:
            rows = queryset.owned_by(owner, user)
        except User.DoesNotExist:
            raise Http404 from None
        found: ProjectQuerySet = super().filter_queryset(rows)
        return found

    def in_states(
        self, rows: ProjectQuerySet, name: str, states: list[ProjectState]
    ) -> ProjectQuerySet:
        """Return the rows in any of the states."""
        return reduce(or_, (rows.in_state(state) for state in states)) if states else rows

    def with_text(self, rows: ProjectQuerySet, name: str, text: str) -> ProjectQuerySet:
        """Return the rows with this text in the name or the repository."""
        return rows.filter(Q(name__icontains=text) | Q(repository__icontains=text))

    def in_order(self, rows: ProjectQuerySet, name: str, order: str) -> ProjectQuerySet:
        """Return the rows in the given order: a column, with ``-`` for descending."""
        return rows.order_by(order)


DEFAULT_LIMIT, MAX_LIMIT = 100, 500
SALT = "bindery.page"


class KeysetPagination(BasePagination):
    """Pagination by the queryset's first order field, and by the primary key among equal values."""

    def paginate_queryset(
        self, queryset: Any, request: Request, view: APIView | None = None
    ) -> list[Any]:
        field, limit = str(queryset.query.order_by[0]), _limit(request)
        self.url, self.next = request.build_absolute_uri(), ""
        rows = queryset.order_by(field, "-pk" if field.startswith("-") else "pk")
        if cursor := request.query_params.get("cursor"):
            rows = rows.filter(_after(field, cursor))
        page = list(rows[: limit + 1])
        if len(page) > limit:
            self.next = _cursor(page[limit - 1], field)
        return page[:limit]

    def get_paginated_response(self, data: Any) -> Response:
        if not self.next:
            return Response(data)
        following = replace_query_param(self.url, "cursor", self.next)
        return Response(data, headers={"Link": f'<{following}>; rel="next"'})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return schema

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        limit = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
        return [
            {
                "name": "limit",
                "in": "query",
                "description": "The maximum number of rows per page.",
                "schema": limit,
            },
            {
                "name": "cursor",
                "in": "query",
                "description": "Where the page begins; from the previous page's `Link` header.",
                "schema": {"type": "string"},
            },
        ]


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", str(DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text)):
        message = _("“limit” must be a number from 1 to %(most)d.") % {"most": MAX_LIMIT}
        raise UserError("page.limit", message)
    return min(int(text), MAX_LIMIT)


def _cursor(row: Model, field: str) -> str:
    """Return a cursor, signed so that only cursors we handed out are accepted."""
    value = getattr(row, field.removeprefix("-"))
    text = value.isoformat() if isinstance(value, datetime) else str(value)
    return signing.dumps([field, text, row.pk], salt=SALT)


def _after(field: str, cursor: str) -> Q:
    """Return the condition for rows after the one that `_cursor` was called with."""
    try:
        for_field, text, pk = signing.loads(cursor, salt=SALT)
    except signing.BadSignature:
        raise _wrong_cursor() from None
    if for_field != field:
        raise _wrong_cursor()
    name, way = field.removeprefix("-"), "lt" if field.startswith("-") else "gt"
    return Q(**{f"{name}__{way}": text}) | Q(**{name: text, f"pk__{way}": pk})


def _wrong_cursor() -> UserError:
    message = _("“cursor” must come from the Link header of an earlier page of the same list.")
    return UserError("page.cursor", message)
