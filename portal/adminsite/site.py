"""The admin site: Django's own, with a home page that has only what each person's role may see.

`sessions.statistics.overview` counts, `trends` draws charts; the templates are in
``templates/admin/home``. The alerts tell staff in sentences what is wrong with the portal;
`portal.health.checks` tells programs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, cast

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from portal.lib import charts
from portal.models import Letter, User
from portal.pages import usage
from quotas.fields import FIELDS
from quotas.models import LimitRequest
from sessions import capacity
from sessions.backends import Problem, get_backend
from sessions.models import Capacity, Condition, Heartbeat, HeartbeatName, Project
from sessions.states import SESSION_LIVE, SessionState
from sessions.statistics import overview as statistics
from sessions.statistics.overview import CurrentUsage, History
from sessions.statistics.usage import GroupBy, UsageRow
from sessions.watch import conditions
from sessions.watch.conditions import describe_problem

from . import trends
from .guard import with_guard

MAX_WAITING = 5
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
        """Return whether more is used than there is; False if the total is not known."""
        return self.total is not None and self.used > self.total

    @property
    def gauge(self) -> SafeString | str:
        """Return the bar as HTML; "" if the total is not known."""
        return "" if self.total is None else charts.gauge(self.used, self.total)


def overview(user: User) -> dict[str, Any]:
    """Return the page's context in a fixed number of queries; fewer for people who may see less."""
    found: dict[str, Any] = {"alerts": current_alerts(capacity.latest())}
    if user.has_perm(SESSIONS):
        found |= _running(statistics.current_usage())
    if user.has_perm(REQUESTS):
        found |= _waiting()
    if user.has_perm(SESSIONS) or user.has_perm(BUILDS):
        found |= _history_context(user, statistics.history())
    found["sees_nothing"] = len(found) == 1
    return found


def _running(now: CurrentUsage) -> dict[str, Any]:
    known = now.capacity or Capacity()
    shares = [
        Share(_("CPU"), now.cpu, known.cpu, _("CPU")),
        Share(_("Memory"), now.memory_gb, known.memory_gb, _("GB")),
        Share(_("GPU"), now.gpu, known.gpu, _("GPU")),
    ]
    states = [state for state in SessionState if state in SESSION_LIVE]
    return {
        "states": [(state.value, now.states.get(state, 0)) for state in states],
        "shares": [share for share in shares if share.used or share.total != 0],
        "capacity": now.capacity,
    }


def _waiting() -> dict[str, Any]:
    waiting = LimitRequest.objects.open()
    oldest = waiting.select_related("user").order_by("created")[:MAX_WAITING]
    requests = [(each, FIELDS[each.limit]) for each in oldest]
    return {"open_request_count": waiting.count(), "open_requests": requests}


def _history_context(user: User, history: History) -> dict[str, Any]:
    found: dict[str, Any] = {"as_of": history.at, "trends": []}
    if user.has_perm(SESSIONS):
        found["trends"] += trends.launches(history)
        found["failures"] = history.failures
        found["exports"] = GroupBy.choices
        found["top_users"] = _ranked(history.top_users, user.has_perm(PEOPLE))
    if user.has_perm(BUILDS):
        found["trends"].append(trends.builds(history))
    return found


def _ranked(lines: list[UsageRow], linked: bool) -> list[tuple[UsageRow, str, SafeString]]:
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


MAX_CAPACITY_AGE = timedelta(minutes=10)


@dataclass(frozen=True)
class Alert(Problem):
    """One problem; ``since`` is None if nobody has recorded when it began."""

    since: datetime | None = None


def current_alerts(capacity: Capacity | None) -> list[Alert]:
    """Return everything staff should know, in five queries.

    ``capacity`` is the capacity that was last read.
    """
    noted = list(Condition.objects.exclude(problem=""))
    of_parts = [*_backend_alerts(noted), *_watch_alerts(), *_condition_alerts(noted)]
    return [*of_parts, *_capacity_alerts(capacity), *_letter_alerts(), *_undecided_alerts()]


def _backend_alerts(noted: Iterable[Condition]) -> Iterator[Alert]:
    """Prefer this process's own view: it has better words than what watch has noted."""
    since = {row.part: row.since for row in noted}.get(conditions.BACKEND)
    for problem in get_backend().problems():
        yield Alert(problem.id, problem.message, problem.hint, since)


def _watch_alerts() -> Iterator[Alert]:
    if not Heartbeat.objects.is_watched():
        last = Heartbeat.objects.filter(name=HeartbeatName.WATCH).first()
        yield Alert(
            "portal.watch",
            _("watch is not responding, so builds and notebooks are not monitored."),
            _("Check its log and restart it. It continues where it stopped."),
            last.at if last else None,
        )


def _condition_alerts(noted: Iterable[Condition]) -> Iterator[Alert]:
    seen_here = bool(get_backend().problems())
    for row in noted:
        if row.part != conditions.BACKEND or not seen_here:
            problem = describe_problem(row.part, row.problem)
            yield Alert(problem.id, problem.message, problem.hint, row.since)


def _capacity_alerts(capacity: Capacity | None) -> Iterator[Alert]:
    if capacity and capacity.at < timezone.now() - MAX_CAPACITY_AGE:
        yield Alert(
            "portal.capacity",
            _("Capacity was last read over ten minutes ago."),
            _("watch reads it from the back end every minute; its log says why that fails."),
            capacity.at,
        )


def _letter_alerts() -> Iterator[Alert]:
    if count := Letter.objects.failed().count():
        yield Alert(
            "portal.mail.outbox",
            _("Emails that could not be sent and are no longer retried: %(count)d.")
            % {"count": count},
            _("“Letters” in the admin says why, and can send them again."),
        )


def _undecided_alerts() -> Iterator[Alert]:
    if count := Project.objects.with_refused_letter().count():
        yield Alert(
            "portal.undecided",
            _("Projects due for deletion whose owners could not be told: %(count)d.")
            % {"count": count},
            _(
                "Emails to their owners have been refused for 14 days. “Projects” in the "
                "admin lists them under “deletion”: correct the address, or keep or delete "
                "the project."
            ),
        )


class AdminSignInForm(AdminAuthenticationForm):
    """Django's form, which refuses a password that staff have set.

    Such a password must first be changed on the portal's own page.
    """

    def confirm_login_allowed(self, user: Any) -> None:
        super().confirm_login_allowed(user)
        if user.must_choose_password:
            raise ValidationError(
                _("Staff set this password. Sign in on the portal’s own page and change it."),
                code="must-choose",
            )


class PortalAdminSite(admin.AdminSite):
    """The site that `portal.apps.PortalAdminConfig` puts in place of Django's own."""

    login_form = AdminSignInForm

    def register(
        self,
        model_or_iterable: Any,
        admin_class: type[admin.ModelAdmin[Any]] | None = None,
        **options: Any,
    ) -> None:
        """Register every admin of a model behind the guard."""
        inner = admin_class or admin.ModelAdmin
        super().register(model_or_iterable, with_guard(inner), **options)

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        user = cast(User, request.user)
        return super().index(request, {**overview(user), **(extra_context or {})})

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Send people to the provider if nobody signs in with a password."""
        if settings.PORTAL_PASSWORD_SIGN_IN or request.user.is_authenticated:
            return super().login(request, extra_context)
        return redirect_to_login(request.GET.get("next") or reverse("admin:index"))

    def get_urls(self) -> list[URLPattern | URLResolver]:
        export = path("usage.csv", self.admin_view(usage.export), name="usage")
        return [export, *super().get_urls()]
