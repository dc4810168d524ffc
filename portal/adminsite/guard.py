"""Guard the admin of every model, whoever wrote it: `PortalAdminSite` puts `AdminGuard` in front.

Django lets anyone who may see a list filter it by any column of the model, shown or not. Asked
again and again, ``?digest__startswith=`` reveals what no page shows. Here a list can only be
narrowed by its own filters and by the links that lead to it, and searched by fields that its reader
may see. A row's number that is not a number is dropped instead of looked up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import DateTimeField, Field, IntegerField, Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.utils.translation import gettext as _

from portal.lib.db import row_number

SAVE_AS_NEW = "_saveasnew"
ERROR = "e"
"""The query parameter by which Django's admin marks a query string that made no sense."""
_OF_FIELD = ("", "__exact", "__isnull", "__gte", "__lt")
"""Suffixes that a field's filter adds to the field's name."""


class AdminGuard:
    """The guard in front of a `ModelAdmin`.

    If the admin has ``linked_by``, it names the lookups that links to its list use, beside those of
    its filters.
    """

    model: type[Model]
    admin_site: admin.AdminSite

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Return whether the list may be narrowed by this: by its own filters and ``linked_by``."""
        filters = self.get_list_filter(request)  # type: ignore[attr-defined]
        links: Sequence[str] = getattr(self, "linked_by", ())
        return lookup in links or lookup in set(_lookups(filters))

    def get_search_fields(self, request: HttpRequest) -> list[str]:
        """Leave out fields of rows that this person may not see."""
        found: Iterable[str] = super().get_search_fields(request)  # type: ignore[misc]
        return [each for each in found if self._is_visible_field(each, request)]

    def _is_visible_field(self, search_field: str, request: HttpRequest) -> bool:
        name, _way, rest = search_field.lstrip("^=@").partition("__")
        field = self.model._meta.get_field(name)
        if not rest or field.related_model is None:
            return True
        other = self.admin_site.get_model_admin(field.related_model)
        return other.has_view_permission(request)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Show the list; redirect to it without filters if a value is one that no column can hold.

        Chosen rows that cannot exist are dropped before an action sees them.
        """
        if any(_is_too_large(value) for _name, values in request.GET.lists() for value in values):
            return HttpResponseRedirect(f"{request.path}?{ERROR}=1")
        if ACTION_CHECKBOX_NAME in request.POST:
            request.POST = self._drop_impossible_choices(request.POST)  # type: ignore[assignment]
        try:
            answer: HttpResponse = super().changelist_view(  # type: ignore[misc]
                request, extra_context
            )
        except OverflowError:  # a time that UTC cannot express
            return HttpResponseRedirect(f"{request.path}?{ERROR}=1")
        return answer

    def _drop_impossible_choices(self, sent: QueryDict) -> QueryDict:
        """Return the submitted data with only those chosen rows that can exist."""
        changed = sent.copy()
        chosen = sent.getlist(ACTION_CHECKBOX_NAME)
        can_be = [each for each in chosen if _may_be_key(self.model._meta.pk, each)]
        changed.setlist(ACTION_CHECKBOX_NAME, can_be)
        return changed

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Refuse a time that the database cannot store, which is in UTC."""
        field = super().formfield_for_dbfield(  # type: ignore[misc]
            db_field, request, **kwargs
        )
        if field is not None and isinstance(db_field, DateTimeField):
            field.validators.append(_require_moment)
        return field

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        """Drop from a form rows that cannot exist, and the "save as new" parameter.

        Django looks up whatever a form names as another row, and saves a changed row as a new one
        if the form has a parameter that none of our forms uses.
        """
        if request.method == "POST":
            request.POST = self._drop_impossible_relations(request.POST)  # type: ignore[assignment]
        answer: HttpResponse = super().changeform_view(  # type: ignore[misc]
            request, *args, **kwargs
        )
        return answer

    def _drop_impossible_relations(self, sent: QueryDict) -> QueryDict:
        """Return the submitted data without related rows that cannot exist."""
        changed = sent.copy()
        changed.pop(SAVE_AS_NEW, None)
        for name, values in sent.lists():
            changed.setlist(name, [each for each in values if self._may_exist(name, str(each))])
        return changed

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Fill in a form from its query string, without related rows that cannot exist.

        Times are left out as well: Django would show their text as a time, and fail.
        """
        given: dict[str, Any] = super().get_changeform_initial_data(request)  # type: ignore[misc]
        times = {each.name for each in self.model._meta.fields if isinstance(each, DateTimeField)}
        return {
            name: value
            for name, value in given.items()
            if name not in times and self._may_exist(name, value)
        }

    def _may_exist(self, name: str, value: Any) -> bool:
        try:
            other = self.model._meta.get_field(name).related_model
        except FieldDoesNotExist:
            return True
        if not isinstance(other, type):
            return True
        values = value if isinstance(value, list) else [value]
        return all(_may_be_key(other._meta.pk, str(each)) for each in values if each != "")


def _require_moment(value: datetime) -> None:
    try:
        value.astimezone(UTC)
    except OverflowError:
        raise ValidationError(_("Enter a date between the years 1 and 9999.")) from None


def with_guard(inner: type[admin.ModelAdmin[Any]]) -> type[admin.ModelAdmin[Any]]:
    """Return the class with the guard in front of it."""
    about = {"__module__": inner.__module__, "__doc__": inner.__doc__}
    return type(inner.__name__, (AdminGuard, inner), about)


def _lookups(filters: Iterable[Any]) -> Iterator[str]:
    """Yield the query parameters by which these filters narrow a list."""
    for each in filters:
        if isinstance(each, type) and issubclass(each, admin.SimpleListFilter):
            yield str(each.parameter_name)
        else:
            field = each if isinstance(each, str) else each[0]
            yield from (f"{field}{end}" for end in _OF_FIELD)
            yield f"{field}__id__exact"


def _is_too_large(value: str) -> bool:
    """Return whether it is a number that no database can hold."""
    return value.lstrip("-").isdecimal() and row_number(value.lstrip("-")) is None


def _may_be_key(key: Field[Any, Any] | None, value: str) -> bool:
    is_number = isinstance(key, IntegerField)
    return row_number(value) is not None if is_number else "\0" not in value
