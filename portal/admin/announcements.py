"""The admin of what staff tell everybody. The pages show it by the clock alone; the worker writes
and sends what goes out by mail.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone
from django.utils.text import Truncator
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from portal import letters
from portal.models import Announcement, Letter


@admin.register(Announcement)
class AnnouncementAdmin(admin.ModelAdmin[Announcement]):
    list_display = ["short_text", "weight", "starts", "ends", "now", "mail"]
    list_filter = ["weight", "starts", "ends"]
    search_fields = ["text"]
    ordering = ["-starts", "-pk"]
    fields = ["text", "weight", "starts", "ends", "by_mail", "group", "mail"]
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

    def get_readonly_fields(
        self, request: HttpRequest, obj: Announcement | None = None
    ) -> list[str]:
        """What goes out by mail is not called back by a changed form, only by deleting it."""
        fixed = obj is not None and obj.by_mail and obj.letters.exists()
        may_mail = letters.are_sent() and not fixed
        return ["mail"] if may_mail else ["by_mail", "group", "mail"]

    @admin.display(description=_("mail"))
    def mail(self, announcement: Announcement) -> str:
        """How many letters went out, are left and failed."""
        if not announcement.by_mail:
            return ""
        theirs = Letter.objects.filter(announcement=announcement)
        figures = {
            "sent": theirs.exclude(sent=None).count(),
            "waiting": theirs.waiting().count(),
            "failed": theirs.failed().count(),
        }
        return gettext("%(sent)d sent, %(waiting)d to go, %(failed)d failed") % figures
