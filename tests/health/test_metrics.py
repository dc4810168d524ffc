"""/metrics reports the portal's condition in Prometheus' own format, and never fails."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from django.db import DatabaseError, connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django_q.models import OrmQ
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from portal.health.metrics import collectors, views
from portal.lib.logs.requests import RequestTrace
from sessions.models import Build, Capacity, Heartbeat, Removal, Session
from sessions.states import BuildState, SessionState
from sessions.statistics import counters
from tests.asgi_requests import ask
from tests.past_sessions import ran

pytestmark = pytest.mark.django_db(transaction=True)
ALERTS = Path(__file__).resolve().parents[2] / "deploy/prometheus/alerts.yaml"
LABELS = "route status kind to outcome pack phase state part name le"


def families() -> dict[str, Metric]:
    return {
        each.name: each for each in text_string_to_metric_families(views.render_metrics().decode())
    }


def value(name: str, **labels: str) -> float:
    samples = [sample for family in families().values() for sample in family.samples]
    [found] = [each.value for each in samples if each.name == name and each.labels == labels]
    return found


@pytest.fixture
def busy(backend, ada, bob) -> None:
    """A portal in which something of everything has happened."""
    for owner in (ada, bob):
        session = ran(owner, None, None, state="waiting")
        for state in (SessionState.SPAWNING, SessionState.READY):
            Session.objects.advance(session.pk, state, by="test", ready=timezone.now())
    ran(ada, None, None, state="spawning")
    build = Build.objects.create(url="u", commit="c", image="i", started=timezone.now())
    for to in (BuildState.BUILDING, BuildState.FAILED):
        Build.objects.advance(build.pk, to, by="test")
    Removal.objects.create(kind="image", size=5, why="unused")
    Capacity.objects.create(
        pk=1, at=timezone.now(), cpu=16, memory_gb=64, gpu=2, disk_gb=100, disk_free_gb=25
    )
    for name in ("watch", "activity"):
        Heartbeat.objects.create(name=name, at=timezone.now())
    OrmQ.objects.create(key="bindery", payload="", lock=timezone.now())
    counters.count()
    asked = RequestTrace("http", "GET", 0.0, route="home")
    asked.mark_started(200)
    collectors.count_end(asked)


def test_names_and_types_follow_prometheus_conventions(busy):
    for name, family in families().items():
        assert family.documentation.endswith((".", ")")) or name.startswith("process_")
        assert family.type in {"counter", "gauge", "histogram"}
        assert not name.endswith(("_count", "_sum", "_bucket"))


def test_gauges_report_running_notebooks_and_capacity(busy):
    assert value("bindery_database_up") == 1
    assert value("bindery_notebooks", state="ready") == 2
    assert value("bindery_notebooks", state="spawning") == 1
    assert value("bindery_notebooks", state="stopping") == 0
    assert value("bindery_promised_cpus") == 6
    assert value("bindery_capacity_memory_bytes") == 64e9
    assert value("bindery_disk_free_bytes") == 25e9
    assert value("bindery_people") == 2
    assert value("bindery_people_with_notebooks") == 2
    assert value("bindery_projects") == 3
    assert value("bindery_restorable_projects") == 0
    assert value("bindery_queue_length") == 1
    assert value("bindery_part_up", part="watch") == 1


def test_counters_report_launches_builds_and_removals(busy):
    assert value("bindery_launches_total", outcome="ready") == 2
    assert value("bindery_launches_total", outcome="failed") == 0
    assert value("bindery_builds_total", outcome="failed", pack="other") >= 1
    assert value("bindery_removed_bytes_total", kind="image") == 5


def test_histogram_buckets_are_cumulative_and_complete(busy):
    phase = families()["bindery_launch_phase_seconds"].samples
    for kind in ("waiting", "spawning"):
        buckets = [
            each.value
            for each in phase
            if each.name.endswith("_bucket") and each.labels["phase"] == kind
        ]
        assert buckets == sorted(buckets)
        assert buckets[-1] == value("bindery_launch_phase_seconds_count", phase=kind) == 2


def test_silent_and_busy_notebooks_are_counted(backend, ada):
    long_ago = timezone.now() - timedelta(hours=1)
    ran(ada, long_ago, None, asked=long_ago)
    ran(ada, long_ago, None, asked=None)
    ran(ada, long_ago, None, asked=timezone.now(), busy=True)
    ran(ada, timezone.now(), None, asked=None)  # it has only just begun
    assert value("bindery_silent_notebooks") == 2
    assert value("bindery_busy_notebooks") == 1


def test_number_of_queries_does_not_grow_with_the_rows(busy, ada):
    with CaptureQueriesContext(connection) as few:
        views.render_metrics()
    for _each in range(30):
        ran(ada, timezone.now(), None)
    with CaptureQueriesContext(connection) as many:
        views.render_metrics()
    assert len(many) == len(few) <= 16


def test_labels_contain_no_names_and_stay_bounded(busy):
    samples = [sample for family in families().values() for sample in family.samples]
    assert {label for each in samples for label in each.labels} <= set(LABELS.split())
    words = " ".join(text for each in samples for text in each.labels.values())
    assert "ada" not in words.split()


def test_process_metrics_remain_while_the_database_is_away(busy):
    def unreachable(*arguments: object) -> None:
        raise DatabaseError("no such host, user bindery, password secret")

    with connection.execute_wrapper(unreachable):
        assert value("bindery_database_up") == 0
        assert value("bindery_part_up", part="database") == 0
        assert "bindery_notebooks" not in families()
        assert value("bindery_http_requests_total", route="home", status="2xx") >= 1


async def test_requests_are_counted_by_route(backend, ada):
    names = ("sign-in", "other")
    before = [counted(name) for name in names]
    await ask("/sign-in/")
    await ask("/projects-of/ada/")
    assert [counted(name) for name in names] == [each + 1 for each in before]


def counted(route: str) -> float:
    samples = [each for family in collectors.REGISTRY.collect() for each in family.samples]
    return sum(
        each.value
        for each in samples
        if each.name == "bindery_http_requests_total" and each.labels["route"] == route
    )


@pytest.mark.parametrize(("route", "to"), [("notebook", "notebook"), ("other", "page")])
def test_sockets_are_counted_while_they_are_open(route, to):
    def now_open() -> float:
        return collectors.REGISTRY.get_sample_value("bindery_open_sockets", {"to": to}) or 0

    before, asked = now_open(), RequestTrace("websocket", "GET", 0.0, route=route)
    asked.mark_started(101)
    collectors.count_start(asked)
    assert now_open() == before + 1
    collectors.count_end(asked)
    assert now_open() == before


def rules() -> list[dict[str, object]]:
    [group] = yaml.safe_load(ALERTS.read_text())["groups"]
    found: list[dict[str, object]] = group["rules"]
    return found


def test_every_alert_uses_existing_metrics(busy):
    there = {sample.name for family in families().values() for sample in family.samples}
    assert len(rules()) > 10
    for rule in rules():
        asked = set(re.findall(r"\bbindery_\w+", str(rule["expr"])))
        assert asked <= there, rule["alert"]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_every_alert_has_a_severity_summary_and_description(rule):
    assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"]["summary"].endswith(".")
    assert rule["annotations"]["description"].endswith(".")


def test_every_metric_is_documented(busy):
    """In the tables, ``…_gpus`` stands for a name that begins as the one before it."""
    table = (ALERTS.parents[2] / "docs/monitor.md").read_text()
    ends = {text.removesuffix("_total") for text in re.findall(r"`(?:bindery|…)(_\w+)`", table)}
    shown = {name for name in families() if name.startswith("bindery_")}
    assert [name for name in shown if not name.endswith(tuple(ends))] == []
