"""Template tags for limits, on pages, in the admin and in letters."""

from __future__ import annotations

from typing import Any

from django import template
from django.template.defaultfilters import stringfilter

from quotas import effective
from quotas.fields import FIELDS
from quotas.models import LimitRequest

register = template.Library()

BADGE_STATES = {"open": "waiting", "granted": "ready", "declined": "failed", "withdrawn": "stopped"}
"""For each state of a request, the state of a project that it looks like."""


@register.inclusion_tag("portal/_state.html")
def limit_request_badge(state: str) -> dict[str, Any]:
    """Show a request's state as a word, a shape and a colour."""
    badge_state = BADGE_STATES[state]
    label = LimitRequest.State(state).label
    return {"state": badge_state, "label": label, "icon": f"portal/states/{badge_state}.svg"}


@register.filter
def with_unit(value: float, limit: str) -> str:
    """Return a value with its unit: ``{{ row.value|with_unit:row.limit }}`` is ``8 CPU``."""
    return effective.format_limit(limit, value)


@register.filter
def limit_label(limit: str) -> str:
    """Return the name of a limit."""
    return str(FIELDS[limit])


@register.filter
@stringfilter
def quote_lines(text: str) -> str:
    """Quote somebody else's words in a plain-text letter."""
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


@register.filter
def limit_unit(limit: str) -> str:
    """Return the unit of a limit's values, "" if it has none."""
    return str(FIELDS[limit].unit)
