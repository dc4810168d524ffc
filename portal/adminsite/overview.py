"""Build the admin's home page, with only the parts that each person's role may see.

`sessions.statistics.overview` counts, `trends` draws charts, `alerts` lists problems; the templates
are in ``templates/admin/home``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from portal.lib import charts
from portal.models import User
from quotas.fields import FIELDS
from quotas.models import LimitRequest
from sessions import capacity
from sessions.models import Capacity
from sessions.states import SESSION_LIVE, SessionState
from sessions.statistics import overview as statistics
from sessions.statistics.overview import History, Now
from sessions.statistics.usage import By, Line

from . import trends
from .alerts import troubles

WAITING_SHOWN = 5
SESSIONS, BUILDS = "notebook_sessions.view_session", "notebook_sessions.view_build"
REQUESTS, PEOPLE = "quotas.view_limitrequest", "portal.view_user"


@dataclass(frozen=True)
class Share:
    """How much of a resource is used: ``used`` of ``total``; ``total`` is None if not known."""

    label: str
    used: float
    total: float | None
    unit: str

    @property
    def is_over(self) -> bool:
        return self.total is not None and self.used > self.total

    @property
    def gauge(self) -> SafeString | str:
        return "" if self.total is None else charts.gauge(self.used, self.total)


def overview(user: User) -> dict[str, Any]:
    """Return the page's context in a fixed number of queries; fewer for people who may see less."""
    found: dict[str, Any] = {"troubles": troubles(capacity.known())}
    if user.has_perm(SESSIONS):
        found |= _running(statistics.now())
    if user.has_perm(REQUESTS):
        found |= _waiting()
    if user.has_perm(SESSIONS) or user.has_perm(BUILDS):
        found |= _looking_back(user, statistics.history())
    found["sees_nothing"] = len(found) == 1
    return found


def _running(now: Now) -> dict[str, Any]:
    there_is = now.there_is
    has = there_is or Capacity()
    shares = [
        Share(_("CPU"), now.cpu, has.cpu, _("CPU")),
        Share(_("Memory"), now.memory_gb, has.memory_gb, _("GB")),
        Share(_("GPU"), now.gpu, has.gpu, _("GPU")),
    ]
    states = [state for state in SessionState if state in SESSION_LIVE]
    return {
        "states": [(state.value, now.states.get(state, 0)) for state in states],
        "shares": [share for share in shares if share.used or share.total != 0],
        "there_is": there_is,
    }


def _waiting() -> dict[str, Any]:
    waiting = LimitRequest.objects.open()
    oldest = waiting.select_related("user").order_by("created")[:WAITING_SHOWN]
    requests = [(each, FIELDS[each.limit]) for each in oldest]
    return {"waiting": waiting.count(), "requests": requests}


def _looking_back(user: User, history: History) -> dict[str, Any]:
    found: dict[str, Any] = {"as_of": history.at, "trends": []}
    if user.has_perm(SESSIONS):
        found["trends"] += trends.launches(history)
        found["failures"] = history.failures
        found["exports"] = By.choices
        found["most"] = _ranked(history.most, user.has_perm(PEOPLE))
    if user.has_perm(BUILDS):
        found["trends"].append(trends.builds(history))
    return found


def _ranked(lines: list[Line], linked: bool) -> list[tuple[Line, str, SafeString]]:
    """Return each line with its person's page, if the reader may see it, and a bar.

    The bar is relative to the first line's hours.
    """
    longest = max((line.hours.cpu for line in lines), default=0)
    return [
        (
            line,
            reverse("admin:portal_user_change", args=[line.owner]) if linked else "",
            charts.gauge(line.hours.cpu, longest),
        )
        for line in lines
    ]
