"""Template tags for states, times, limits and commits, in pages, the admin and letters."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.template.defaultfilters import stringfilter
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.utils import formats, timezone
from django.utils.html import escape, format_html, format_html_join, urlize
from django.utils.safestring import SafeString, mark_safe
from django.utils.timesince import timesince
from django.utils.translation import gettext as _

from quotas.fields import FIELDS, format_limit
from quotas.limits import Limits, exceeds
from quotas.models import LimitRequest
from quotas.resources import Resources
from sessions.names import owner_slug, readable_address, repository_title, short_commit
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
REQUEST_BADGES = {
    "open": "waiting",
    "granted": "ready",
    "declined": "failed",
    "withdrawn": "stopped",
}
"""For each state of a limit request, the state of a project that it looks like."""


@register.inclusion_tag("portal/_state.html")
def state_badge(state: str) -> dict[str, Any]:
    """Show a `ProjectState` as a word, a shape and a colour."""
    shape = f"portal/states/{state}.svg"
    return {"state": state, "label": ProjectState(state).label, "icon": shape}


@register.inclusion_tag("portal/_state.html")
def limit_request_badge(state: str) -> dict[str, Any]:
    """Show a limit request's state as a word, a shape and a colour."""
    badge_state = REQUEST_BADGES[state]
    label = LimitRequest.State(state).label
    return {"state": badge_state, "label": label, "icon": f"portal/states/{badge_state}.svg"}


@register.simple_tag
def state_favicon(state: str) -> str:
    """Return the address of the favicon for a project in this state."""
    icon = ICONS.get(ProjectState(state), "working")
    return static(f"portal/icons/{icon}.svg")


@register.simple_tag
def weight_icon(weight: str) -> SafeString:
    """Return the icon for an announcement's weight, shown beside its word."""
    return mark_safe(render_to_string(f"portal/weights/{weight}.svg"))  # noqa: S308  our own file


@register.filter
def linkify(text: str) -> SafeString:
    """Return a person's text, escaped, with its addresses as links."""
    # Quotes in the text are escaped by now, so nobody can have written this attribute.
    links = urlize(text, nofollow=True, autoescape=True)
    return mark_safe(links.replace(' rel="nofollow"', ' rel="noopener nofollow"'))  # noqa: S308


@register.filter
def inline_code(text: str) -> SafeString:
    """Return a sentence, escaped, with everything between backticks as code."""
    return mark_safe(re.sub("`([^`]+)`", r"<code>\1</code>", escape(text)))  # noqa: S308


@register.filter
def ago(moment: datetime | None) -> SafeString | str:
    """Return a time as people say it, with the exact time on hover."""
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
    """Return a duration in minutes and seconds: ``0:07``, ``12:30``."""
    if time is None:
        return ""
    minutes, seconds = divmod(int(time.total_seconds()), 60)
    return f"{minutes}:{seconds:02}"


@register.filter
def resources(given: Resources) -> str:
    """Return resources as text: ``2–4 CPU · 1–4 GB · 1 GPU``."""
    parts = [
        _("%(range)s CPU") % {"range": _range(given.cpu_request, given.cpu_limit)},
        _("%(range)s GB") % {"range": _range(given.memory_request_gb, given.memory_limit_gb)},
    ]
    if given.gpu:
        parts.append(_("%(number)s GPU") % {"number": given.gpu})
        parts[-1] += f" ({given.gpu_type})" if given.gpu_type else ""
    return " · ".join(parts)


@register.filter
def exceeds_limits(given: Resources, limits: Limits) -> bool:
    """Return whether the given resources exceed the person's present limits."""
    return exceeds(limits, given)


def _range(low: float, high: float) -> str:
    return f"{low:g}" if low == high else f"{low:g}–{high:g}"


@register.filter
def breakable_address(repository: str) -> SafeString:
    """Return a repository's address, readable, that can break at its slashes."""
    parts = ((part,) for part in readable_address(repository).split("/"))
    return format_html_join(mark_safe("/<wbr>"), "{}", parts)


register.filter("repository_title", repository_title)


@register.filter
def commit_button(sha: str) -> SafeString | str:
    """Return a button with the short commit that copies the whole one."""
    if not sha:
        return ""
    return format_html(
        '<button type="button" class="copy" data-copy="{}" title="{}"><code>{}</code></button>',
        sha,
        _("Copy %(commit)s") % {"commit": sha},
        short_commit(sha),
    )


@register.filter
def volume_path(username: str) -> str:
    """Return the path of this person's own files in each of their notebooks."""
    return f"/home/{owner_slug(username)}-nfs-pvc"


@register.filter
def as_seconds(time: timedelta | None) -> str:
    """Return a duration in seconds as a plain number, for scripts."""
    return "" if time is None else f"{time.total_seconds():.1f}"


@register.filter
def with_unit(value: float, limit: str) -> str:
    """Return a value with its unit: ``{{ row.value|with_unit:row.limit }}`` is ``8 CPU``."""
    return format_limit(limit, value)


@register.filter
def limit_label(limit: str) -> str:
    """Return the name of a limit."""
    return str(FIELDS[limit])


@register.filter
@stringfilter
def quote_lines(text: str) -> str:
    """Quote somebody else's words in a plain-text letter."""
    lines = text.replace("\r\n", "\n").split("\n")  # as a browser's form sends them
    return "\n".join(f"> {line}".rstrip() for line in lines)


@register.filter
def limit_unit(limit: str) -> str:
    """Return the unit of a limit's values, "" if it has none."""
    return str(FIELDS[limit].unit)
