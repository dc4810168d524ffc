"""When a project goes, as pages and letters say it. Days and hours are the portal's own."""

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
"""Begins the tag of a message that has a button to restore the project that it then names."""


@register.filter
def deletes_at(project: Project, limits: Limits) -> datetime | None:
    """When it is deleted if nobody uses it until then, None if never; by its owner's limits."""
    known = (project.last_activity, project.goes, limits.idle_days)
    return policy.deletes_at(*known, timezone.now())


@register.filter
def when(moment: datetime) -> str:
    """A moment to come, as people say it: ``tomorrow at 02:30 CET``. The time zone tells the two
    half past two apart that the last night of summer time has."""
    local = timezone.localtime(moment)
    days = (local.date() - timezone.localdate()).days
    time = f"{local:%H:%M %Z}"  # Django's own formats leave the zone out in that night's hour
    if moment <= timezone.now():
        return _("at any moment")
    if days <= 1:
        sentence = _("tomorrow at %(time)s") if days else _("today at %(time)s")
        return sentence % {"time": time}
    shape = "l" if days < DAYS_WITH_NAMES else "j F"
    return _("on %(day)s") % {"day": formats.date_format(local, shape)}


@register.filter
def dated(moment: datetime) -> str:
    """The moment with its date and time zone, for letters, which are read who knows when."""
    local = timezone.localtime(moment)
    words = {"day": formats.date_format(local, "l, j F Y"), "time": f"{local:%H:%M %Z}"}
    return _("%(day)s at %(time)s") % words


@register.filter
def when_exactly(moment: datetime) -> SafeString:
    """The same, with the exact moment on hover and for programs."""
    return _exactly(moment, when(moment))


@register.filter
def until(moment: datetime) -> SafeString:
    """Until when something can be done: ``until tomorrow at 02:30 CET``, with the exact moment on
    hover. What is over is put off while the portal was away, so there may be some time yet."""
    local = timezone.localtime(moment)
    days = (local.date() - timezone.localdate()).days
    time = f"{local:%H:%M %Z}"
    if moment <= timezone.now():
        sentence = _("for a short while yet")
    elif days <= 1:
        sentence = _("until tomorrow at %(time)s") if days else _("until today at %(time)s")
        sentence %= {"time": time}
    else:
        shape = "l" if days < DAYS_WITH_NAMES else "j F"
        sentence = _("until %(day)s") % {"day": formats.date_format(local, shape)}
    return _exactly(moment, sentence)


def _exactly(moment: datetime, words: str) -> SafeString:
    exact = timezone.localtime(moment).isoformat()
    return format_html('<time datetime="{}" title="{}">{}</time>', exact, dated(moment), words)


@register.simple_tag
def undo_days() -> int:
    """For how many days a person can restore what they delete; 0 is not at all."""
    return int(settings.PORTAL_UNDO_DAYS)


@register.simple_tag
def undo_unused_days() -> int:
    """Return the days in which what was deleted for want of use can be restored."""
    return int(settings.PORTAL_UNDO_UNUSED_DAYS)


@register.filter
def undoes(message: Message) -> str:
    """The name of the project that a message offers to restore; empty for any other message."""
    tag = message.extra_tags or ""
    return tag.removeprefix(UNDO) if tag.startswith(UNDO) else ""
