"""The base class of read-only lists and pages, with CSV export; actions go through `lifecycle`."""

from __future__ import annotations

from typing import Any, TypeVar

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest, HttpResponse

from portal.lib.admin import BoundedPaginator, CsvExportMixin, FastCheckboxMixin, ReadOnlyMixin

from .bulk_action import BulkActionsMixin
from .filters import PerColumnSearchAdmin

R = TypeVar("R", bound=Model)


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
