"""Template tags for when a project is deleted, on pages and in letters.

Days and hours are in the portal's own time zone.
"""

from __future__ import annotations

from datetime import datetime

from django import template
from django.conf import settings
from django.contrib.messages.storage.base import Message
from django.utils import formats, timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from quotas.limits import Limits
from sessions.culling import policy
from sessions.models import Project

register = template.Library()

DAYS_WITH_NAMES = 7
UNDO = "undo:"
"""Prefix of the tag of a message that offers to restore a project; the project's name follows."""


@register.filter
def deletes_at(project: Project, limits: Limits) -> datetime | None:
    """Return when the project is deleted if nobody uses it until then, None if never.

    ``limits`` are its owner's.
    """
    known = (project.last_activity, project.goes, limits.idle_days)
    return policy.deletes_at(*known, timezone.now())


@register.filter
def relative_time(moment: datetime) -> str:
    """Return a future time as people say it: ``tomorrow at 02:30 CET``.

    The time zone distinguishes the two half past twos of the night when summer time ends.
    """
    local = timezone.localtime(moment)
    days = (local.date() - timezone.localdate()).days
    time = f"{local:%H:%M %Z}"  # Django's own formats omit the zone in that hour
    if moment <= timezone.now():
        return _("any moment now")
    if days <= 1:
        sentence = _("tomorrow at %(time)s") if days else _("today at %(time)s")
        return sentence % {"time": time}
    shape = "l" if days < DAYS_WITH_NAMES else "j F"
    return _("on %(day)s") % {"day": formats.date_format(local, shape)}


@register.filter
def full_date(moment: datetime) -> str:
    """Return a time with its date and time zone, for letters, which may be read any time later."""
    local = timezone.localtime(moment)
    words = {"day": formats.date_format(local, "l, j F Y"), "time": f"{local:%H:%M %Z}"}
    return _("%(day)s at %(time)s") % words


@register.filter
def relative_time_html(moment: datetime) -> SafeString:
    """Return a time like `relative_time`, with the exact time on hover and for programs."""
    return _exactly(moment, relative_time(moment))


@register.filter
def until(moment: datetime) -> SafeString:
    """Return until when something can be done: ``until tomorrow at 02:30 CET``.

    The exact time is on hover. Deadlines that pass while the portal is away are extended, so there
    may be some time left afterwards.
    """
    local = timezone.localtime(moment)
    days = (local.date() - timezone.localdate()).days
    time = f"{local:%H:%M %Z}"
    if moment <= timezone.now():
        sentence = _("for a little while longer")
    elif days <= 1:
        sentence = _("until tomorrow at %(time)s") if days else _("until today at %(time)s")
        sentence %= {"time": time}
    else:
        shape = "l" if days < DAYS_WITH_NAMES else "j F"
        sentence = _("until %(day)s") % {"day": formats.date_format(local, shape)}
    return _exactly(moment, sentence)


def _exactly(moment: datetime, words: str) -> SafeString:
    exact = timezone.localtime(moment).isoformat()
    return format_html('<time datetime="{}" title="{}">{}</time>', exact, full_date(moment), words)


@register.simple_tag
def undo_days() -> int:
    """Return for how many days people can restore what they delete; 0 means not at all."""
    return int(settings.PORTAL_UNDO_DAYS)


@register.simple_tag
def undo_unused_days() -> int:
    """Return for how many days projects that were deleted for lack of use can be restored."""
    return int(settings.PORTAL_UNDO_UNUSED_DAYS)


@register.filter
def undoable_project(message: Message) -> str:
    """Return the name of the project that a message offers to restore; empty for other messages."""
    tag = message.extra_tags or ""
    return tag.removeprefix(UNDO) if tag.startswith(UNDO) else ""
