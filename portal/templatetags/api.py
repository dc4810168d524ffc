"""Template filters for the API's documentation page."""

from __future__ import annotations

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()


@register.filter
def inline_code(text: str) -> SafeString:
    """Return the text with everything between backticks as code."""
    pieces = enumerate(str(text).split("`"))
    return format_html_join(
        "", "{}", ((format_html("<code>{}</code>", p) if n % 2 else p,) for n, p in pieces)
    )
