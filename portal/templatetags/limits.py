"""How limits are written, on pages, in the admin and in letters."""

from __future__ import annotations

from typing import Any

from django import template
from django.template.defaultfilters import stringfilter

from quotas import effective
from quotas.fields import FIELDS
from quotas.models import LimitRequest

register = template.Library()

LOOKS = {"open": "waiting", "granted": "ready", "declined": "failed", "withdrawn": "stopped"}
"""Which state of a project a request's state looks like."""


@register.inclusion_tag("portal/_state.html")
def wish_badge(state: str) -> dict[str, Any]:
    """A request's state as a word, a shape and a colour."""
    look = LOOKS[state]
    label = LimitRequest.State(state).label
    return {"state": look, "label": label, "shape": f"portal/states/{look}.svg"}


@register.filter
def figure(value: float, limit: str) -> str:
    """``{{ wish.value|figure:wish.limit }}``: ``8 CPU``."""
    return effective.figure(limit, value)


@register.filter
def limit_label(limit: str) -> str:
    """What a limit is called."""
    return str(FIELDS[limit])


@register.filter
@stringfilter
def quoted(text: str) -> str:
    """Somebody else's words in a letter of plain text."""
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


@register.filter
def limit_unit(limit: str) -> str:
    """The unit behind its figures, if it has one."""
    return str(FIELDS[limit].unit)
