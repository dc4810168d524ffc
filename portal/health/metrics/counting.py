"""Count in memory what this web process has answered, labelled by route names only.

A process begins at zero, as Prometheus expects, so each process must be a target of its own.
"""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from portal.lib.logs.requests import NOTEBOOK, Asked

REGISTRY = CollectorRegistry()
BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

disable_created_metrics()  # type: ignore[no-untyped-call]  # one more series each, of no use
ProcessCollector(registry=REGISTRY)
_requests = Counter(
    "bindery_http_requests",
    "Requests that this process has answered, by the name of their address; sockets are their own.",
    ["route", "status"],
    registry=REGISTRY,
)
_seconds = Histogram(
    "bindery_http_request_seconds",
    "Time until an answer began, by the name of its address.",
    ["route"],
    buckets=BOUNDS,
    registry=REGISTRY,
)
_gateway = Counter(
    "bindery_gateway_requests",
    "Requests to notebooks' hosts that this process has answered or passed on, and sockets that "
    "have ended.",
    ["kind", "status"],
    registry=REGISTRY,
)
_sockets = Gauge(
    "bindery_open_sockets",
    "WebSockets that are open in this process: of the portal's pages, and to notebooks.",
    ["to"],
    registry=REGISTRY,
)


def begun(asked: Asked) -> None:
    """Count an answer that begins, or a socket that is open."""
    if asked.is_open_socket:
        _sockets.labels(_to(asked)).inc()


def ended(asked: Asked) -> None:
    """Count an answer or a socket that has ended."""
    status = f"{asked.status // 100}xx"
    if asked.is_open_socket:
        _sockets.labels(_to(asked)).dec()
    if asked.route == NOTEBOOK:
        _gateway.labels(asked.kind, status).inc()
    elif asked.kind == "http":
        route = _route(asked)
        _requests.labels(route, status).inc()
        _seconds.labels(route).observe(asked.seconds)


def _to(asked: Asked) -> str:
    return "notebook" if asked.route == NOTEBOOK else "page"


def _route(asked: Asked) -> str:
    """Count the admin as one route: it has hundreds of addresses and few users."""
    return "admin" if asked.route.startswith("admin:") else asked.route
