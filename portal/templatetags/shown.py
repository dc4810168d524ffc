"""Template filters of the admin for what belongs to a row, taken from `sessions.admin.display`."""

from __future__ import annotations

from typing import Any

from django import template

from sessions.admin import display
from sessions.models import Session

register = template.Library()

register.filter("own_page", display.link)
register.filter("own_state", display.state_of)
register.filter("lasted", display.session_took)
register.filter("why", display.reason)


@register.filter
def until_ready(session: Session) -> Any:
    """Return how long the session took to become ready."""
    return display.took(session.created, session.ready)
