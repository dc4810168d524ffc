"""Admin of grants: who has more of something, until when, why and from whom."""

from __future__ import annotations

from typing import Any, cast

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.forms import BaseInlineFormSet
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal import roles
from portal.models import User
from quotas import changes
from quotas.fields import format_limit
from quotas.models import Grant


class GrantForm(forms.ModelForm[Grant]):
    """A grant, within the bounds of the staff member ``by``, whom the admin sets."""

    by: User

    class Meta:
        model = Grant
        fields = ["user", "limit", "value", "until", "reason"]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        figures = {"limit", "value", "until"}
        if figures <= data.keys() and figures & set(self.changed_data):
            try:
                people = [data["user"]] if data.get("user") else []
                changes.validate_grant(self.by, data["limit"], data["value"], data["until"], people)
            except ValidationError as error:
                self.add_error(None, error)
        return data


def _may_change(request: HttpRequest, grant: Grant | None) -> bool:
    """Return False if the grantee has more permissions than the user."""
    return grant is None or roles.may_change(cast(User, request.user), grant.user)


class InForceFilter(admin.SimpleListFilter):
    """Filter by whether the grant is in force."""

    title = _("in force")
    parameter_name = "running"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [("yes", _("in force")), ("no", _("over"))]

    def queryset(self, request: HttpRequest, rows: QuerySet[Grant]) -> QuerySet[Grant]:
        today = timezone.localdate()
        if self.value() == "yes":
            return rows.filter(until__gte=today)
        return rows.filter(until__lt=today) if self.value() == "no" else rows


@admin.register(Grant)
class GrantAdmin(admin.ModelAdmin[Grant]):
    """The list of grants, and a page to give or change one."""

    form = GrantForm
    list_display = [
        "user",
        "limit",
        "figure",
        "until",
        "is_active",
        "reason",
        "given_by",
        "created",
    ]
    list_display_links = ["limit"]
    list_filter = [InForceFilter, "limit", "until"]
    list_select_related = ["user", "given_by"]
    search_fields = ["user__username", "user__email", "reason"]
    ordering = ["-pk"]
    autocomplete_fields = ["user"]
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    @admin.display(description=_("value"), ordering="value")
    def figure(self, grant: Grant) -> str:
        """Return the granted value with its unit."""
        return format_limit(grant.limit, grant.value)

    @admin.display(description=_("in force"), boolean=True)
    def is_active(self, grant: Grant) -> bool:
        """Return whether the grant still holds today."""
        return grant.until >= timezone.localdate()

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        form.by = request.user  # type: ignore[attr-defined]
        return form

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Keep the grantee of an existing grant."""
        return ["user", "given_by", "created"] if obj else []

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        fields = ["user", "limit", "value", "until", "reason"]
        return [*fields, "given_by", "created"] if obj else fields

    def has_change_permission(self, request: HttpRequest, obj: Grant | None = None) -> bool:
        return super().has_change_permission(request, obj) and _may_change(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Grant | None = None) -> bool:
        return super().has_delete_permission(request, obj) and _may_change(request, obj)

    def save_model(self, request: HttpRequest, obj: Grant, form: Any, change: bool) -> None:
        if not change:
            obj.given_by = request.user  # type: ignore[assignment]  # signed in, or not here
        super().save_model(request, obj, form, change)

    def response_post_save_add(self, request: HttpRequest, obj: Grant) -> HttpResponseRedirect:
        """Redirect to the person's page, which shows what they may have now."""
        return HttpResponseRedirect(reverse("admin:portal_user_change", args=[obj.user_id]))


class GrantInline(admin.StackedInline[Grant, User]):
    """A person's grants on their page, with room for another."""

    model = Grant
    form = GrantForm
    fk_name = "user"
    fields = [("limit", "value", "until"), ("reason", "given_by")]
    readonly_fields = ["given_by"]
    extra = 0
    ordering = ["-until", "-pk"]

    def get_queryset(self, request: HttpRequest) -> QuerySet[Grant]:
        return super().get_queryset(request).select_related("given_by")

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        formset = super().get_formset(request, obj, **kwargs)
        formset.form.by = request.user  # type: ignore[attr-defined]
        return formset


def set_given_by(formset: BaseInlineFormSet[Any, Any, Any], by: User) -> None:
    """Store who gives the new grants of a formset that is about to be saved."""
    for form in formset.extra_forms:
        if form.has_changed():
            form.instance.given_by = by
