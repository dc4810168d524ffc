"""Collect the metrics: those counted in this process, and those that come from the database.

What this web process has answered is counted in memory, labelled by route names only. A process
begins at zero, as Prometheus expects, so each process must be a target of its own.

`current_values` says what runs, waits and exists now, from a fixed number of queries. `totals` says
what has happened since the installation: every web process reports the same, whenever it started,
because `sessions.statistics.counters` keeps the counts in rows, at most a minute old.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Count, Q
from django.utils import timezone
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import GaugeMetricFamily, Metric

from portal.lib.logs.requests import NOTEBOOK, RequestTrace
from portal.models import User
from sessions.lifecycle import queue
from sessions.models import Build, Capacity, Heartbeat, Project, Session, Tally
from sessions.states import BUILD_ACTIVE, SESSION_LIVE, SessionState
from sessions.statistics import counters, overview

REGISTRY = CollectorRegistry()
BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

disable_created_metrics()  # type: ignore[no-untyped-call]  # one more series each, of no use
ProcessCollector(registry=REGISTRY)
_requests = Counter(
    "bindery_http_requests",
    "HTTP requests that this process has answered, by route; WebSockets are counted separately.",
    ["route", "status"],
    registry=REGISTRY,
)
_seconds = Histogram(
    "bindery_http_request_seconds",
    "Time until a response began, by route.",
    ["route"],
    buckets=BUCKETS,
    registry=REGISTRY,
)
_gateway = Counter(
    "bindery_gateway_requests",
    "Requests to notebooks' hosts that this process has answered or proxied, and "
    "WebSockets that have closed.",
    ["kind", "status"],
    registry=REGISTRY,
)
_sockets = Gauge(
    "bindery_open_sockets",
    "WebSockets open in this process: from the portal's pages, and to notebooks.",
    ["to"],
    registry=REGISTRY,
)


def count_start(trace: RequestTrace) -> None:
    """Count an answer that begins, or a socket that is open."""
    if trace.is_open_socket:
        _sockets.labels(_socket_target(trace)).inc()


def count_end(trace: RequestTrace) -> None:
    """Count an answer or a socket that has ended."""
    status = f"{trace.status // 100}xx"
    if trace.is_open_socket:
        _sockets.labels(_socket_target(trace)).dec()
    if trace.route == NOTEBOOK:
        _gateway.labels(trace.kind, status).inc()
    elif trace.kind == "http":
        route = _route(trace)
        _requests.labels(route, status).inc()
        _seconds.labels(route).observe(trace.seconds)


def _socket_target(trace: RequestTrace) -> str:
    return "notebook" if trace.route == NOTEBOOK else "page"


def _route(trace: RequestTrace) -> str:
    """Count the admin as one route: it has hundreds of addresses and few users."""
    return "admin" if trace.route.startswith("admin:") else trace.route


GB = 10**9
SILENT_AFTER = timedelta(minutes=15)
"""A notebook that has not reported its activity for so long counts as neither idle nor busy."""


def current_values() -> Iterator[Metric]:
    """Yield all current values. Raises `django.db.DatabaseError`."""
    now = overview.current_usage()
    yield _labelled_gauge(
        "notebooks",
        "Sessions that are starting, running or stopping.",
        "state",
        dict.fromkeys(SESSION_LIVE, 0) | now.states,
    )
    yield _gauge("promised_cpus", "CPUs guaranteed to notebooks.", now.cpu)
    yield _gauge("promised_memory_bytes", "Memory guaranteed to notebooks.", now.memory_gb * GB)
    yield _gauge("promised_gpus", "GPUs that notebooks have or wait for.", now.gpu)
    if now.capacity:
        yield from _capacity(now.capacity)
    yield from _builds()
    yield from _notebooks()
    yield from _people()
    yield from _queue()
    ages = {beat.name: _age(beat.at) for beat in Heartbeat.objects.all()}
    yield _labelled_gauge(
        "heartbeat_age_seconds",
        "Time since the last heartbeat of watch and of its tasks.",
        "name",
        ages,
    )


def _capacity(capacity: Capacity) -> Iterator[Metric]:
    """Leave out values that the back end may not read."""
    scaled = (
        ("capacity_cpus", "CPUs of all machines.", capacity.cpu, 1),
        ("capacity_memory_bytes", "Memory of all machines.", capacity.memory_gb, GB),
        ("capacity_gpus", "GPUs of all machines.", capacity.gpu, 1),
        (
            "disk_bytes",
            "Size of the disk with environments and people's files.",
            capacity.disk_gb,
            GB,
        ),
        ("disk_free_bytes", "Free space on that disk.", capacity.disk_free_gb, GB),
    )
    for name, text, value, scale in scaled:
        if value is not None:
            yield _gauge(name, text, value * scale)
    yield _gauge("capacity_age_seconds", "Time since capacity was last read.", _age(capacity.at))


def _builds() -> Iterator[Metric]:
    rows = Build.objects.active().order_by().values_list("state").annotate(Count("pk"))
    states: dict[str, float] = {**dict.fromkeys(BUILD_ACTIVE, 0), **dict(rows)}
    yield _labelled_gauge("active_builds", "Builds that are waiting or running.", "state", states)


def _notebooks() -> Iterator[Metric]:
    silent = Q(asked=None) | Q(asked__lt=timezone.now() - SILENT_AFTER)
    silent &= Q(ready__lt=timezone.now() - SILENT_AFTER)
    ready = Session.objects.filter(state=SessionState.READY).aggregate(
        busy=Count("pk", filter=Q(busy=True)),
        silent=Count("pk", filter=silent),
        people=Count("project__owner", distinct=True),
    )
    yield _gauge("busy_notebooks", "Notebooks with a busy kernel.", ready["busy"])
    yield _gauge(
        "silent_notebooks",
        f"Notebooks that have not reported activity for {SILENT_AFTER.seconds // 60} minutes.",
        ready["silent"],
    )
    yield _gauge("people_with_notebooks", "People with a running notebook.", ready["people"])


def _people() -> Iterator[Metric]:
    people = User.objects.filter(is_active=True).count()
    yield _gauge("people", "Accounts that are not disabled.", people)
    yield _gauge("projects", "Projects, running or not.", Project.objects.existing().count())
    aside = Project.objects.restorable().count()
    yield _gauge("restorable_projects", "Deleted projects that can be restored.", aside)


def _queue() -> Iterator[Metric]:
    length, age = queue.backlog()
    yield _gauge("queue_length", "Tasks that no worker has taken yet.", length)
    yield _gauge(
        "queue_age_seconds",
        "How long the oldest of these tasks has waited; 0 if there is none.",
        age,
    )


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"bindery_{name}", text, value=value)


def _labelled_gauge(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(f"bindery_{name}", text, labels=[label])
    for key, value in sorted(values.items()):
        family.add_metric([str(key)], value)
    return family


def _age(at: datetime) -> float:
    return max((timezone.now() - at).total_seconds(), 0.0)


LABEL = re.compile(r'(\w+)="([^"]*)"')
INFINITE = "+Inf"


class MetricDescription(NamedTuple):
    """A metric's type and help text.

    ``initial_labels`` are label sets that exist from the start, at zero, so that the first event
    counts as an increase.
    """

    kind: str
    help: str
    initial_labels: tuple[str, ...] = ()


_OUTCOMES = tuple(f'outcome="{one}"' for one in ("ready", "failed", "cancelled"))
_ENDS = ('outcome="stopped"', 'outcome="failed"')
_BUILDS = tuple(f'outcome="{one}",pack="other"' for one in ("built", "failed", "cancelled"))

METRICS = {
    counters.LAUNCHES: MetricDescription(
        "counter", "Launches that have ended, with or without a running notebook.", _OUTCOMES
    ),
    counters.NOTEBOOKS_ENDED: MetricDescription(
        "counter", "Notebooks that ran and have ended: stopped or failed.", _ENDS
    ),
    counters.BUILDS: MetricDescription(
        "counter", "Builds that have ended, by kind of repository.", _BUILDS
    ),
    counters.REMOVED: MetricDescription(
        "counter",
        "Things that the portal has removed by its own rules; for projects, the culled ones.",
    ),
    counters.REMOVED_BYTES: MetricDescription(
        "counter", "Bytes that the portal has removed by its own rules, where known."
    ),
    counters.LAUNCH_SECONDS: MetricDescription(
        "histogram", "Duration of a launch: waiting for its environment, and spawning its notebook."
    ),
    counters.BUILD_SECONDS: MetricDescription(
        "histogram", "Duration of a build from start to end; cancelled builds are not counted."
    ),
}


def totals() -> Iterator[Metric]:
    """Yield all totals, from one query. Raises `django.db.DatabaseError`."""
    rows = {(row.metric, row.labels): row.value for row in Tally.objects.all()}
    for name, meaning in METRICS.items():
        family = Metric(f"bindery_{name}", meaning.help, meaning.kind)
        add = _add_counter if meaning.kind == "counter" else _add_histogram
        beginnings = {(name, labels): 0.0 for labels in meaning.initial_labels}
        add(family, name, beginnings | rows)
        yield family


Rows = dict[tuple[str, str], float]


def _add_counter(family: Metric, name: str, rows: Rows) -> None:
    for labels, value in sorted(_samples_of(rows, name).items()):
        family.add_sample(f"{family.name}_total", _parse_labels(labels), value)


def _add_histogram(family: Metric, name: str, rows: Rows) -> None:
    buckets = [
        (_parse_labels(labels), value)
        for labels, value in _samples_of(rows, f"{name}_bucket").items()
    ]
    sums = _samples_of(rows, f"{name}_sum")
    for labels, count in sorted(_samples_of(rows, f"{name}_count").items()):
        own = _parse_labels(labels)
        mine = [each for each in buckets if own.items() <= each[0].items()]
        for bucket, value in sorted(mine, key=lambda each: float(each[0]["le"])):
            family.add_sample(f"{family.name}_bucket", bucket, value)
        family.add_sample(f"{family.name}_bucket", {**own, "le": INFINITE}, count)
        family.add_sample(f"{family.name}_count", own, count)
        family.add_sample(f"{family.name}_sum", own, sums.get(labels, 0.0))


def _samples_of(rows: Rows, metric: str) -> dict[str, float]:
    return {labels: value for (name, labels), value in rows.items() if name == metric}


def _parse_labels(labels: str) -> dict[str, str]:
    return dict(LABEL.findall(labels))
