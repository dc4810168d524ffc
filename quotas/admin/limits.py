"""Admin of the site's limits and the bounds of support: one row each, opened at once."""

from __future__ import annotations

from typing import Any, ClassVar, TypeVar

from auditlog.context import disable_auditlog
from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.utils.translation import gettext_lazy as _

from portal.lib.admin import FixedRowsMixin
from quotas import changes
from quotas.admin import limits_form
from quotas.admin.limits_form import LimitsForm
from quotas.fields import FIELDS
from quotas.models import LimitSet, SupportBounds

R = TypeVar("R", bound=models.Model)


class SingletonAdmin(FixedRowsMixin, admin.ModelAdmin[R]):
    """An admin whose list is the one row's page; the row is made on the first visit."""

    lookup: ClassVar[dict[str, Any]]

    def initial_values(self) -> dict[str, Any]:
        """Return the values of the row when it is made."""
        return {}

    def get_queryset(self, request: HttpRequest) -> QuerySet[R]:
        return super().get_queryset(request).filter(**self.lookup)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_view_or_change_permission(request):
            raise PermissionDenied
        with disable_auditlog():  # an empty row changes nothing
            rows = self.model._default_manager
            row, _made = rows.get_or_create(**self.lookup, defaults=self.initial_values())
        opts = self.model._meta
        return redirect(f"admin:{opts.app_label}_{opts.model_name}_change", row.pk)

    def response_post_save_change(self, request: HttpRequest, obj: Any) -> HttpResponseRedirect:
        return HttpResponseRedirect(request.path)


class SiteLimitsForm(LimitsForm[LimitSet]):
    """The form of the site's limits."""

    class Meta:
        model = LimitSet
        fields: ClassVar[list[str]] = []


@admin.register(LimitSet)
class SiteLimitsAdmin(SingletonAdmin[LimitSet]):
    """The limits for everybody. Those of people and groups are on their own pages."""

    lookup = {"user": None, "group": None}
    form = SiteLimitsForm
    fields = []
    change_form_template = "admin/quotas/site.html"

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        form.may_set_limits = self.has_change_permission(request, obj)  # type: ignore[attr-defined]
        return form

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context["limits"] = limits_form.limit_rows(context["adminform"].form, None)
        context["title"] = _("Limits for everybody")
        context["subtitle"] = None
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: Any) -> None:
        form.set_limits()


class BoundsForm(forms.ModelForm[SupportBounds]):
    """The form of the bounds of support."""

    class Meta:
        model = SupportBounds
        fields = ["days", *FIELDS]


@admin.register(SupportBounds)
class BoundsAdmin(SingletonAdmin[SupportBounds]):
    """The bounds for staff without ``quotas.exceed_bounds``."""

    lookup = {"pk": 1}
    form = BoundsForm
    fieldsets = [
        (None, {"fields": ["days"]}),
        (
            _("The most that support may grant"),
            {
                "fields": list(FIELDS),
                "description": _("Where a field is empty, support cannot grant more."),
            },
        ),
    ]

    def initial_values(self) -> dict[str, Any]:
        """Return the default bounds."""
        return dict(changes.default_bounds())

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context["title"] = _("Bounds of support")
        context["subtitle"] = None
        return super().render_change_form(request, context, *args, **kwargs)
