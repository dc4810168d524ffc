"""Admin of groups, and the limits that the pages of groups and people show.

A group's members get its limits and, if it is a role, the role's permissions. `people` uses
`LimitsMixin` as well.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.models import Group
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from portal.admin.actions import staff_user
from portal.models import User
from portal.roles import ROLES, may_change_group
from quotas.admin import limits_form
from quotas.admin.limits_form import LimitsForm
from quotas.fields import FIELDS, format_limit
from quotas.limits import Usage
from sessions.lifecycle.admission import usage_of


class LimitsMixin:
    """A mix-in for a ``ModelAdmin`` whose form is a `LimitsForm`: shows and saves the limits."""

    def get_form(self, request: HttpRequest, obj: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Return the form class, told whether the request's person may set limits."""
        form = super().get_form(request, obj, *args, **kwargs)  # type: ignore[misc]
        if issubclass(form, LimitsForm):
            may_here = self.has_change_permission(request, obj)  # type: ignore[attr-defined]
            form.may_set_limits = may_here and request.user.has_perm("quotas.change_limitset")
        return form

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Render the form with the limits and their use, for those who may see them."""
        owner = context.get("original")
        if owner and request.user.has_perm("quotas.view_limitset"):
            context["limits"] = limits_form.limit_rows(
                context["adminform"].form, owner, _usage(owner)
            )
        answer: HttpResponse = super().render_change_form(  # type: ignore[misc]
            request, context, *args, **kwargs
        )
        return answer

    def save_related(self, request: HttpRequest, form: Any, *args: Any) -> None:
        """Save the related rows, and the limits with them."""
        super().save_related(request, form, *args)  # type: ignore[misc]
        if isinstance(form, LimitsForm):
            form.set_limits()


def _usage(owner: object) -> Usage | None:
    return usage_of(owner) if isinstance(owner, User) else None


admin.site.unregister(Group)


class GroupForm(LimitsForm[Group]):
    """A group's name, permissions and limits."""

    class Meta:
        model = Group
        fields = ["name", "permissions"]


@admin.register(Group)
class PortalGroupAdmin(LimitsMixin, GroupAdmin):
    """Django's admin of groups, with limits and a column of members.

    Only superusers change permissions, as for one person. Roles keep their names. A group with more
    permissions than the signed-in user is read-only for them.
    """

    form = GroupForm
    change_form_template = "admin/quotas/group.html"
    list_display = ["name", "members", "limits"]
    list_select_related = ["limit_set"]
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        return super().get_queryset(request).annotate(people=Count("user"))

    def get_readonly_fields(self, request: HttpRequest, obj: Group | None = None) -> list[str]:
        fields = [] if request.user.is_superuser else ["permissions"]
        return ["name", *fields] if obj and obj.name in ROLES else fields

    def has_change_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or may_change_group(staff_user(request), obj))

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        allowed = super().has_delete_permission(request, obj)
        return allowed and (
            obj is None or (obj.name not in ROLES and may_change_group(staff_user(request), obj))
        )

    @admin.display(description=_("members"), ordering="people")
    def members(self, group: Any) -> SafeString:
        """Return the number of members, linked to the list of them."""
        address = reverse("admin:portal_user_changelist")
        link = '<a href="{}?groups__id__exact={}">{}</a>'
        return format_html(link, address, group.pk, group.people)

    @admin.display(description=_("own limits"))
    def limits(self, group: Any) -> SafeString:
        """Return the limits set for this group as HTML."""
        row = getattr(group, "limit_set", None)
        own = row.values() if row else {}
        return format_html_join(
            "",
            '<div class="own-limit">{}: <b>{}</b></div>',
            ((FIELDS[name], format_limit(name, value)) for name, value in own.items()),
        )
