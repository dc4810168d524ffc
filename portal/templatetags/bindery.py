"""How states, times, resources and commits are written, on every page and in the admin."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.utils import formats, timezone
from django.utils.html import escape, format_html, format_html_join, urlize
from django.utils.safestring import SafeString, mark_safe
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from quotas.admission import exceeds
from quotas.limits import Limits
from quotas.resources import Resources
from sessions.names import owner_slug
from sessions.states import ProjectState

register = template.Library()

WEEK = timedelta(days=7)
MINUTE = timedelta(minutes=1)
ICONS = {
    ProjectState.READY: "ready",
    ProjectState.FAILED: "failed",
    ProjectState.STOPPING: "idle",
    ProjectState.STOPPED: "idle",
}


@register.inclusion_tag("portal/_state.html")
def state_badge(state: str) -> dict[str, Any]:
    """A state as a word, a shape and a colour."""
    shape = f"portal/states/{state}.svg"
    return {"state": state, "label": ProjectState(state).label, "shape": shape}


@register.simple_tag
def state_icon(state: str) -> str:
    """The address of the tab's picture for a project in this state."""
    icon = ICONS.get(ProjectState(state), "working")
    return static(f"portal/icons/{icon}.svg")


@register.simple_tag
def weight_shape(weight: str) -> SafeString:
    """The shape of an announcement's weight, beside its word."""
    return mark_safe(render_to_string(f"portal/weights/{weight}.svg"))  # noqa: S308  our own file


@register.filter
def linked(text: str) -> SafeString:
    """A text of somebody's, escaped, with its addresses to click on."""
    # Quotes in the text are escaped by now, so this is nothing that anybody wrote.
    links = urlize(text, nofollow=True, autoescape=True)
    return mark_safe(links.replace(' rel="nofollow"', ' rel="noopener nofollow"'))  # noqa: S308


@register.filter
def coded(text: str) -> SafeString:
    """Return a sentence, escaped, with what stands between backticks as code."""
    return mark_safe(re.sub("`([^`]+)`", r"<code>\1</code>", escape(text)))  # noqa: S308


@register.filter
def ago(moment: datetime | None) -> SafeString | str:
    """A moment as people say it, the exact one on hover."""
    if moment is None:
        return ""
    local = timezone.localtime(moment)
    exact = formats.date_format(local, "DATETIME_FORMAT")
    return format_html(
        '<time datetime="{}" title="{}" data-ago>{}</time>', local.isoformat(), exact, _ago(local)
    )


def _ago(moment: datetime) -> str:
    age = timezone.now() - moment
    if age < MINUTE:
        return _("just now")
    if age < WEEK:
        return _("%(time)s ago") % {"time": timesince(moment, depth=1)}
    return formats.date_format(moment, "DATE_FORMAT")


@register.filter
def duration(time: timedelta | None) -> str:
    """A duration in minutes and seconds: ``0:07``, ``12:30``."""
    if time is None:
        return ""
    minutes, seconds = divmod(int(time.total_seconds()), 60)
    return f"{minutes}:{seconds:02}"


@register.filter
def resources(given: Resources) -> str:
    """``2–4 CPU · 1–4 GB · 1 GPU``."""
    parts = [
        _("%(range)s CPU") % {"range": _range(given.cpu_request, given.cpu_limit)},
        _("%(range)s GB") % {"range": _range(given.memory_request_gb, given.memory_limit_gb)},
    ]
    if given.gpu:
        parts.append(_("%(number)s GPU") % {"number": given.gpu})
    return " · ".join(parts)


@register.filter
def beyond(given: Resources, limits: Limits) -> bool:
    """Whether this was given when the person might ask for more than now."""
    return exceeds(limits, given)


def _range(low: float, high: float) -> str:
    return f"{low:g}" if low == high else f"{low:g}–{high:g}"


@register.filter
def address(repository: str) -> SafeString:
    """A repository's address that breaks at its slashes where it must."""
    parts = ((part,) for part in repository.split("/"))
    return format_html_join(mark_safe("/<wbr>"), "{}", parts)


@register.filter
def commit(sha: str) -> SafeString | str:
    """The first seven characters; the button beside them copies all."""
    if not sha:
        return ""
    return format_html(
        '<button type="button" class="copy" data-copy="{}" title="{}"><code>{}</code></button>',
        sha,
        _("Copy %(commit)s") % {"commit": sha},
        sha[:7],
    )


@register.filter
def volume(username: str) -> str:
    """Where this person's own files are, in every notebook of theirs."""
    return f"/home/{owner_slug(username)}-nfs-pvc"


@register.filter
def seconds(time: timedelta | None) -> str:
    """A duration as a plain number, for scripts."""
    return "" if time is None else f"{time.total_seconds():.1f}"
