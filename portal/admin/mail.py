"""Admin of announcements and of the letters in the outbox.

Pages show an announcement by the clock alone; the worker writes and sends the mail for it. The list
of letters says which wait, were sent or failed, and why. A letter's text is only for its recipient,
so it is not shown. An operator can have a letter that was given up tried again.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.widgets import AdminSplitDateTime
from django.db.models import DateTimeField, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext, gettext_lazy
from django.utils.translation import gettext as _

from portal.mail import outbox
from portal.models import Announcement, Letter, User
from portal.templatetags.bindery import ago
from sessions.admin.bulk_action import BulkAction, ReadOnlyAdmin
from sessions.errors import StateConflict


class DateTimeWidget(AdminSplitDateTime):
    """Django's two fields for a date and a time, with a label each."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs)
        for widget, label in zip(
            self.widgets, (gettext_lazy("Date"), gettext_lazy("Time")), strict=True
        ):
            widget.attrs["aria-label"] = label


@admin.register(Announcement)
class AnnouncementAdmin(admin.ModelAdmin[Announcement]):
    """Announcements by staff to everybody, on the pages and by mail."""

    list_display = ["short_text", "weight", "starts", "ends", "status", "mail_progress"]
    list_filter = ["weight", "starts", "ends"]
    search_fields = ["text"]
    ordering = ["-starts", "-pk"]
    fields = ["text", "weight", "starts", "ends", "by_mail", "group", "mail_progress"]
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    formfield_overrides = {DateTimeField: {"widget": DateTimeWidget}}

    @admin.display(description=gettext_lazy("text"))
    def short_text(self, announcement: Announcement) -> str:
        """Return the first 80 characters of the text."""
        return Truncator(announcement.text).chars(80)

    @admin.display(description=gettext_lazy("now"))
    def status(self, announcement: Announcement) -> Any:
        """Return whether it is to come, shown or over."""
        moment = timezone.now()
        if announcement.starts > moment:
            return gettext_lazy("scheduled")
        if announcement.ends and announcement.ends <= moment:
            return gettext_lazy("over")
        return gettext_lazy("shown")

    def get_readonly_fields(
        self, request: HttpRequest, obj: Announcement | None = None
    ) -> list[str]:
        """Lock the mail fields once letters exist: only deleting an announcement stops its mail."""
        fixed = obj is not None and obj.by_mail and obj.letters.exists()
        may_mail = outbox.is_mail_enabled() and not fixed
        return ["mail_progress"] if may_mail else ["by_mail", "group", "mail_progress"]

    @admin.display(description=gettext_lazy("mail"))
    def mail_progress(self, announcement: Announcement) -> str:
        """Return how many letters were sent, are waiting and failed."""
        if not announcement.by_mail:
            return ""
        theirs = Letter.objects.filter(announcement=announcement)
        figures = {
            "sent": theirs.exclude(sent=None).count(),
            "waiting": theirs.waiting().count(),
            "failed": theirs.failed().count(),
        }
        return gettext("%(sent)d sent, %(waiting)d waiting, %(failed)d failed") % figures


def retry(letter: Letter, _user: User) -> None:
    """Have a letter that was given up sent again. Raises `StateConflict` for any other letter."""
    if not outbox.try_again(letter.pk):
        raise StateConflict(
            "letter.state", _("It was sent already, or will be retried automatically.")
        )


def _effect(letter: Letter) -> str:
    return _("It will be sent within about a minute.") if letter.is_given_up else ""


def _recipients(letter: Letter) -> set[str]:
    return {str(letter.to or letter.address)}


class LetterStatusFilter(admin.SimpleListFilter):
    """Filter by whether a letter waits, was sent or failed."""

    title = gettext_lazy("status")
    parameter_name = "stands"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        return [
            ("waits", gettext_lazy("waits")),
            ("sent", gettext_lazy("sent")),
            ("failed", gettext_lazy("failed")),
        ]

    def queryset(self, request: HttpRequest, rows: QuerySet[Letter]) -> QuerySet[Letter]:
        chosen = {
            "waits": Letter.objects.waiting(),
            "sent": Letter.objects.exclude(sent=None),
            "failed": Letter.objects.failed(),
        }.get(self.value() or "")
        return rows if chosen is None else rows & chosen


@admin.register(Letter)
class LetterAdmin(ReadOnlyAdmin[Letter]):
    """The list of letters, without their text."""

    list_display = ("subject", "recipient_name", "progress", "written_ago", "error")
    list_filter = (LetterStatusFilter,)
    list_select_related = ("to",)
    search_fields = ("subject", "to__username", "address")
    ordering = ("-created", "-pk")
    actions = ("export",)
    bulk_actions = (
        BulkAction(
            "try_again",
            gettext_lazy("Try again"),
            "portal.retry_letter",
            retry,
            _effect,
            _recipients,
        ),
    )
    columns = (
        ("subject", lambda letter: letter.subject),
        ("to", lambda letter: str(letter.to or letter.address)),
        ("created", lambda letter: letter.created),
        ("sent", lambda letter: letter.sent),
        ("attempts", lambda letter: letter.attempts),
        ("error", lambda letter: letter.error),
    )
    fields = ("subject", "recipient_name", "progress", "created", "sent", "attempts", "error")
    readonly_fields = ("recipient_name", "progress")

    @admin.display(description=gettext_lazy("to"), ordering="to__username")
    def recipient_name(self, letter: Letter) -> str:
        """Return the recipient's username, or the address."""
        return str(letter.to or letter.address)

    @admin.display(description=gettext_lazy("status"))
    def progress(self, letter: Letter) -> str:
        """Return whether the letter was sent, waits or failed for good."""
        if letter.sent:
            return _("sent")
        return _("failed, and is no longer retried") if letter.is_given_up else _("waits")

    @admin.display(description=gettext_lazy("written"), ordering="created")
    def written_ago(self, letter: Letter) -> SafeString | str:
        """Return how long ago the letter was written."""
        return ago(letter.created)
