"""Serve ``/metrics`` to those who may read it, even without a database.

Readers are whoever sends ``PORTAL_METRICS_TOKEN``, and staff who may view sessions. Being on the
same machine gives no access: builds and notebooks run there, and they are strangers' code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.conf import settings
from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from keys.authentication import bearer_token
from portal.health import checks
from portal.lib.logs.requests import current_trace

from . import collectors

CONTENT_TYPE = CONTENT_TYPE_LATEST


def render_metrics() -> bytes:
    """Return this process's counts, and the database's metrics if it can be reached."""
    return generate_latest(collectors.REGISTRY) + generate_latest(_registry)


class _DatabaseCollector(Collector):
    def collect(self) -> Iterable[Metric]:
        found = _collect_from_database()
        yield _gauge(
            "bindery_database_up", "Whether the database responds.", float(found is not None)
        )
        yield from found or []
        yield from _part_metrics()


def _collect_from_database() -> list[Metric] | None:
    try:
        return [*collectors.totals(), *collectors.current_values()]
    except (DatabaseError, InterfaceError):
        return None


def _part_metrics() -> Iterator[Metric]:
    """Report each part as ``/health`` does."""
    up = GaugeMetricFamily(
        "bindery_part_up", "Whether a part of the portal works.", labels=["part"]
    )
    since = GaugeMetricFamily(
        "bindery_part_since_seconds",
        "Since when the part has been in this state (Unix time).",
        labels=["part"],
    )
    for part, state in sorted(checks.part_states().items()):
        up.add_metric([part], float(not state.problem))
        since.add_metric([part], state.since.timestamp())
    yield from (up, since)


def _gauge(name: str, help_: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help_, value=value)


_registry = CollectorRegistry(auto_describe=False)
_registry.register(_DatabaseCollector())


PATH = "/metrics"
VIEW_PERMISSION = "notebook_sessions.view_session"
PLAIN_TEXT = "text/plain; charset=utf-8"


class MetricsTokenAuth(MiddlewareMixin):
    """Middleware that answers ``/metrics`` for a bearer token, before all other middleware.

    Prometheus asks each process by its own address, which is none of the portal's hosts, and the
    answer needs neither session nor database.
    """

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        """Return the metrics, or a refusal, for ``/metrics`` with a bearer token; else None."""
        token = bearer_token(request.headers.get("Authorization", ""))
        if request.path_info != PATH or not token:
            return None
        if trace := current_trace():
            trace.route = "metrics"
        return _by_token(request, token)


@never_cache
@require_safe
def _by_token(request: HttpRequest, token: str) -> HttpResponse:
    wanted = settings.PORTAL_METRICS_TOKEN
    if wanted and constant_time_compare(token, wanted):
        return _scrape()
    return _refusal(
        401, _("This token gives no access to the metrics: it is not PORTAL_METRICS_TOKEN.")
    )


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer signed-in staff with the metrics, everyone else with 401."""
    if _is_staff(request):
        return _scrape()
    return _refusal(
        401,
        _(
            "Metrics are for operators. Set PORTAL_METRICS_TOKEN and send it as a bearer token, or"
            " sign in as staff."
        ),
    )


def _is_staff(request: HttpRequest) -> bool:
    try:
        user = request.user
        return (
            user.is_authenticated
            and user.may_enter
            and user.is_staff
            and user.has_perm(VIEW_PERMISSION)
        )
    except (DatabaseError, InterfaceError):
        return False


def _scrape() -> HttpResponse:
    return HttpResponse(render_metrics(), content_type=CONTENT_TYPE)


def _refusal(status: int, sentence: str) -> HttpResponse:
    headers = {"WWW-Authenticate": "Bearer"}
    return HttpResponse(f"{sentence}\n", status=status, content_type=PLAIN_TEXT, headers=headers)
