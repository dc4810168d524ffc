"""Admin of notebook profiles: where notebooks run on a cluster."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from portal.lib.admin import CsvExportMixin
from quotas.profiles import Profile


@admin.register(Profile)
class ProfileAdmin(CsvExportMixin, admin.ModelAdmin[Profile]):
    """The profiles in the order in which they are tried, and the page of one."""

    list_display = ("title", "position", "use", "gpu_type", "runtime_class", "priority_class")
    search_fields = ("title", "gpu_type")
    ordering = ("position", "pk")
    filter_horizontal = ("groups",)
    actions = ("export",)
    show_full_result_count = False
    fieldsets = [
        (None, {"fields": ["title", "position"]}),
        (
            _("Which notebooks"),
            {"fields": ["groups", "use", "gpu_type", "min_cpu", "min_memory_gb"]},
        ),
        (
            _("Where they run"),
            {
                "fields": [
                    "node_selector", "tolerations", "gpu_resource", "priority_class",
                    "runtime_class", "own_users", "pull_policy", "pull_secrets",
                ],
                "description": _("It applies to notebooks that start afterwards."),
            },
        ),
    ]  # fmt: skip
    columns = (
        ("title", lambda profile: profile.title),
        ("position", lambda profile: profile.position),
        ("use", lambda profile: profile.use),
        ("gpu_type", lambda profile: profile.gpu_type),
        ("gpu_resource", lambda profile: profile.gpu_resource),
    )
