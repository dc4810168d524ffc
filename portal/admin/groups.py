"""The admin of groups: who is in one has its limits, and a role's rights."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.models import Group
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from portal.admin.actions import by_of
from portal.admin.limits import WithLimits
from portal.roles import ROLES, may_change_group
from quotas.admin.figures import LimitsForm
from quotas.fields import FIELDS
from quotas.wording import figure

admin.site.unregister(Group)


class GroupForm(LimitsForm[Group]):
    class Meta:
        model = Group
        fields = ["name", "permissions"]


@admin.register(Group)
class GroupOfPeopleAdmin(WithLimits, GroupAdmin):
    """Leave what a group may to superusers, as for one person; roles keep their names, and a
    group that may more than whoever looks at it stays as it is."""

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
        return allowed and (obj is None or may_change_group(by_of(request), obj))

    def has_delete_permission(self, request: HttpRequest, obj: Group | None = None) -> bool:
        allowed = super().has_delete_permission(request, obj)
        return allowed and (
            obj is None or (obj.name not in ROLES and may_change_group(by_of(request), obj))
        )

    @admin.display(description=_("members"), ordering="people")
    def members(self, group: Any) -> SafeString:
        address = reverse("admin:portal_user_changelist")
        link = '<a href="{}?groups__id__exact={}">{}</a>'
        return format_html(link, address, group.pk, group.people)

    @admin.display(description=_("own limits"))
    def limits(self, group: Any) -> SafeString:
        row = getattr(group, "limit_set", None)
        own = row.values() if row else {}
        return format_html_join(
            "",
            '<div class="own-limit">{}: <b>{}</b></div>',
            ((FIELDS[name], figure(name, value)) for name, value in own.items()),
        )
