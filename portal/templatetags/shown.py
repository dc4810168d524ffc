"""How the admin's templates write what belongs to a row; `sessions.admin.display` knows how."""

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
    return display.took(session.created, session.ready)
