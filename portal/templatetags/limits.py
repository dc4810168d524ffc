"""How limits are written, on pages, in the admin and in letters."""

from __future__ import annotations

from django import template
from django.template.defaultfilters import stringfilter

from quotas import wording
from quotas.fields import FIELDS

register = template.Library()


@register.filter
def figure(value: float, limit: str) -> str:
    """``{{ wish.value|figure:wish.limit }}``: ``8 CPU``."""
    return wording.figure(limit, value)


@register.filter
def limit_label(limit: str) -> str:
    """What a limit is called."""
    return str(FIELDS[limit])


@register.filter
@stringfilter
def quoted(text: str) -> str:
    """Somebody else's words in a letter of plain text."""
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())
