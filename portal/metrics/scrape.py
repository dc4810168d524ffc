"""One scrape: all figures as the text that Prometheus reads. Never fails for want of a database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from django.db import DatabaseError, InterfaceError
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from portal import health
from portal.metrics import counting, figures, totals

CONTENT_TYPE = CONTENT_TYPE_LATEST


def text() -> bytes:
    """What this process has counted, and what the database tells where it can be reached."""
    return generate_latest(counting.REGISTRY) + generate_latest(_registry)


class _Rows(Collector):
    def collect(self) -> Iterable[Metric]:
        found = _found()
        yield _gauge(
            "bindery_database_up", "Whether the database answers.", float(found is not None)
        )
        yield from found or []
        yield from _parts()


def _found() -> list[Metric] | None:
    try:
        return [*totals.families(), *figures.families()]
    except (DatabaseError, InterfaceError):
        return None


def _parts() -> Iterator[Metric]:
    """As ``/health`` has them."""
    up = GaugeMetricFamily(
        "bindery_part_up", "Whether a part of the portal works.", labels=["part"]
    )
    since = GaugeMetricFamily(
        "bindery_part_since_seconds", "When it began to be as it is (Unix time).", labels=["part"]
    )
    for part, state in sorted(health.states().items()):
        up.add_metric([part], float(not state.problem))
        since.add_metric([part], state.since.timestamp())
    yield from (up, since)


def _gauge(name: str, help_: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help_, value=value)


_registry = CollectorRegistry(auto_describe=False)
_registry.register(_Rows())
