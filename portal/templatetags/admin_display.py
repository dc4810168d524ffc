"""Template filters of the admin for what belongs to a row, taken from `sessions.admin.display`."""

from __future__ import annotations

from typing import Any

from django import template

from sessions.admin import display
from sessions.models import Session

register = template.Library()

register.filter("admin_link", display.link)
register.filter("admin_state", display.state_badge)
register.filter("session_duration", display.session_duration)
register.filter("ended_reason", display.reason)


@register.filter
def time_to_ready(session: Session) -> Any:
    """Return how long the session took to become ready."""
    return display.format_duration(session.created, session.ready)
