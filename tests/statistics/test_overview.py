"""Statistics of runs: figures that were counted by hand, in a fixed number of queries."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from sessions import backends, capacity
from sessions.errors import TemporaryError
from sessions.lifecycle import observations
from sessions.models import Build, Capacity, Session
from sessions.states import BuildState, ProjectState, SessionState
from sessions.statistics import overview
from sessions.statistics.usage import Median, Seconds
from sessions.watch.reconcile import reconcile
from tests.past_sessions import ran
from tests.stages import project_in

pytestmark = [pytest.mark.django_db, pytest.mark.databases]

NOW = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr(timezone, "now", lambda: NOW)


def ago(**age: float) -> datetime:
    return NOW - timedelta(**age)


def built(seconds: float, *, state: str = BuildState.BUILT, **age: float) -> Build:
    times = {"started": ago(**age) - timedelta(seconds=seconds), "finished": ago(**age)}
    return Build.objects.create(url="u", commit="c", image="i", state=state, **times)


def test_statistics_without_rows_are_zero(django_assert_num_queries):
    with django_assert_num_queries(2):
        now = overview.current_usage()
    assert (now.states, now.cpu, now.memory_gb, now.gpu, now.capacity) == ({}, 0, 0, 0, None)
    with django_assert_num_queries(7):
        history = overview.history()
    assert (len(history.launches), len(history.hours), len(history.builds)) == (30, 24, 30)
    assert sum(bucket.total for bucket in (*history.launches, *history.hours, *history.builds)) == 0
    assert (history.launch_seconds, history.build_seconds) == (None, None)
    assert (history.failures, history.top_users) == ([], [])


def test_waiting_spawning_and_ready_sessions_hold_resources(ada):
    for state in SessionState:
        ran(ada, ago(hours=1), None, state=state, gpu=1)
    now = overview.current_usage()
    assert now.states == {"waiting": 1, "spawning": 1, "ready": 1, "stopping": 1}
    assert (now.cpu, now.memory_gb, now.gpu) == (6, 12, 3)


def test_launches_are_counted_by_day_and_by_hour(ada):
    ran(ada, ago(minutes=10), None, created=ago(minutes=11))
    ran(ada, None, ago(minutes=50), created=ago(hours=1), state=SessionState.FAILED)
    ran(ada, ago(days=1), ago(hours=3), created=ago(days=1, seconds=20))
    ran(ada, ago(days=29), ago(days=28), created=ago(days=29))
    ran(ada, ago(days=31), ago(days=30), created=ago(days=31))
    history = overview.history()
    days = {
        bucket.begin.date().isoformat(): (bucket.total, bucket.failed)
        for bucket in history.launches
    }
    assert {day: counts for day, counts in days.items() if counts != (0, 0)} == {
        "2026-10-26": (1, 0),
        "2026-11-23": (1, 0),
        "2026-11-24": (2, 1),
    }
    hours = [(bucket.total, bucket.failed, bucket.seconds) for bucket in history.hours]
    assert hours[-2:] == [(1, 1, None), (1, 0, 60)]
    assert sum(total for total, _failed, _seconds in hours) == 2


def test_days_begin_at_midnight_in_the_portals_time_zone(ada, settings):
    settings.TIME_ZONE = "Asia/Tokyo"
    ran(ada, ago(hours=22), None, created=datetime(2026, 11, 23, 14, 59, tzinfo=UTC))
    ran(ada, ago(hours=21), None, created=datetime(2026, 11, 23, 15, 1, tzinfo=UTC))
    days = overview.history().launches
    assert [bucket.total for bucket in days[-2:]] == [1, 1]
    assert days[-1].begin == datetime(2026, 11, 23, 15, tzinfo=UTC)


def test_a_day_with_a_daylight_saving_change_is_one_day(ada, settings):
    settings.TIME_ZONE = "Europe/Berlin"
    days = {
        bucket.begin.date(): bucket.end - bucket.begin for bucket in overview.history().launches
    }
    assert len(days) == 30
    assert {length for day, length in days.items()} == {timedelta(days=1)}
    first = {bucket.begin for bucket in overview.history().hours}
    assert len(first) == 24


@pytest.mark.parametrize(
    ("seconds", "middle"), [([5], 5), ([9, 1], 5), ([1, 100, 3], 3), ([4, 1, 3, 90], 3.5)]
)
def test_the_median_is_the_middle_value(ada, seconds, middle):
    for each in seconds:
        ran(ada, ago(minutes=5), ago(minutes=1), created=ago(minutes=5, seconds=each))
    ran(ada, None, ago(minutes=1), created=ago(minutes=7), state=SessionState.FAILED)
    history = overview.history()
    assert history.launch_seconds == pytest.approx(middle)
    assert history.launches[-1].seconds == pytest.approx(middle)


def test_an_empty_median_is_none_and_fractions_are_kept(ada):
    assert Session.objects.aggregate(m=Median(Seconds("created", "ready")))["m"] is None
    ran(ada, ago(seconds=1.25), None, created=ago(seconds=3.5))
    found = Session.objects.aggregate(m=Median(Seconds("created", "ready")))["m"]
    assert found == pytest.approx(2.25)


def test_builds_are_counted_when_they_end_unless_cancelled():
    for seconds in (60, 120, 600):
        built(seconds, hours=1)
    built(5, hours=1, state=BuildState.FAILED)
    built(5, hours=1, state=BuildState.CANCELLED)
    built(90, days=2)
    history = overview.history()
    today, before = history.builds[-1], history.builds[-3]
    assert (today.total, today.failed, today.succeeded, today.seconds) == (4, 1, 3, 120)
    assert (before.total, before.failed, before.seconds) == (1, 0, 90)
    assert history.build_seconds == 105


def test_failures_are_sorted_by_count_with_the_newest_session(ada, bob):
    crashed = {"state": SessionState.FAILED, "code": "spawn.crashed"}
    ran(ada, None, ago(hours=5), **crashed)
    newest = ran(bob, None, ago(hours=2), **crashed)
    ran(ada, None, ago(hours=1), state=SessionState.FAILED, code="build.timeout")
    ran(ada, None, ago(days=40), state=SessionState.FAILED, code="build.timeout")
    first, second = overview.history().failures
    assert (first.code, first.count, first.people) == ("spawn.crashed", 2, 2)
    assert (first.last, first.newest_session) == (ago(hours=2), newest.pk)
    assert (second.code, second.count, second.people) == ("build.timeout", 1, 1)


def test_history_is_cached_and_current_usage_is_not(ada, monkeypatch, settings):
    # Redis goes by a clock of its own; this one goes by ours.
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    assert overview.history().at == NOW
    ran(ada, ago(minutes=1), None)
    assert sum(bucket.total for bucket in overview.history().launches) == 0
    assert overview.current_usage().states == {"ready": 1}
    later = time.time() + overview.CACHE_SECONDS + 1
    monkeypatch.setattr(time, "time", lambda: later)
    assert sum(bucket.total for bucket in overview.history().launches) == 1


def test_the_number_of_queries_does_not_grow_with_the_rows(ada, django_assert_num_queries):
    for number in range(15):
        ran(ada, ago(hours=number), ago(minutes=number), code=f"code.{number}", state="failed")
        built(5, hours=number)
    with django_assert_num_queries(2):
        overview.current_usage()
    with django_assert_num_queries(7):
        overview.history()


def test_the_capacity_is_stored_in_one_row(backend):
    for cpu in (16, 24):
        backend.there_is = backends.Capacity(cpu=cpu, memory_gb=64, gpu=2)
        capacity.refresh()
    assert Capacity.objects.count() == 1
    found = capacity.latest()
    assert (found.cpu, found.memory_gb, found.gpu, found.at) == (24, 64, 2, NOW)


def test_capacity_is_unknown_where_the_back_end_does_not_report_it(backend):
    backend.there_is = None
    capacity.refresh()
    found = capacity.latest()
    assert (found.cpu, found.memory_gb, found.gpu) == (None, None, None)


def test_the_last_known_capacity_stays_while_the_back_end_is_away(backend):
    capacity.refresh()
    backend.refusal = TemporaryError("cluster.unreachable", "It does not answer.")
    capacity.refresh()
    assert capacity.latest().cpu == 16


def test_the_reconciler_refreshes_the_capacity(backend):
    reconcile()
    assert capacity.latest().cpu == 16


def test_the_node_of_a_notebook_is_stored_when_it_is_ready(ada, backend):
    session = project_in(ProjectState.SPAWNING, ada).current
    report = backends.ServerReport(
        session.pk, session.project.name, "ready", "unix:/run/1", node="node-7"
    )
    observations.handle_server_report(report)
    session.refresh_from_db()
    assert (session.state, session.node, session.address) == ("ready", "node-7", "unix:/run/1")
