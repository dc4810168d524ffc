"""The admin of what staff tell everybody. The pages show it by the clock alone."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _

from portal.models import Announcement


@admin.register(Announcement)
class AnnouncementAdmin(admin.ModelAdmin[Announcement]):
    list_display = ["short_text", "weight", "starts", "ends", "now"]
    list_filter = ["weight", "starts", "ends"]
    search_fields = ["text"]
    ordering = ["-starts", "-pk"]
    fields = ["text", "weight", "starts", "ends"]
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER

    @admin.display(description=_("text"))
    def short_text(self, announcement: Announcement) -> str:
        return Truncator(announcement.text).chars(80)

    @admin.display(description=_("now"))
    def now(self, announcement: Announcement) -> Any:
        moment = timezone.now()
        if announcement.starts > moment:
            return _("to come")
        if announcement.ends and announcement.ends <= moment:
            return _("over")
        return _("shown")
