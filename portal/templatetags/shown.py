"""How the admin's templates write what belongs to a row; `sessions.admin.shown` knows how."""

from __future__ import annotations

from typing import Any

from django import template

from sessions.admin import shown
from sessions.models import Session

register = template.Library()

register.filter("own_page", shown.link)
register.filter("own_state", shown.state_of)
register.filter("lasted", shown.session_took)
register.filter("why", shown.reason)


@register.filter
def until_ready(session: Session) -> Any:
    return shown.took(session.created, session.ready)
