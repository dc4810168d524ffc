"""Conditions that watch records of the portal's parts, and what happens when a part was removed."""

from __future__ import annotations

import socket
from datetime import timedelta

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from portal.models import Letter
from sessions.models import Capacity, Condition, Heartbeat, HeartbeatName
from sessions.watch import conditions
from sessions.watch.reconcile import reconcile

pytestmark = [pytest.mark.django_db, pytest.mark.databases]


def noted() -> dict[str, str]:
    conditions.record_all()
    return dict(Condition.objects.values_list("part", "problem"))


def test_since_stays_the_same_until_the_problem_changes(backend):
    noted()
    old = timezone.now() - timedelta(days=1)
    Condition.objects.update(since=old)
    noted()
    assert set(Condition.objects.values_list("since", flat=True)) == {old}
    OrmQ.objects.create(key="bindery", payload="", lock=old)
    assert noted()["worker"] == conditions.WORKER_STALLED
    assert Condition.objects.get(part="worker").since > old


def test_unprobed_notebooks_are_a_problem_once_watch_has_run_long_enough(backend, settings):
    now = timezone.now()
    Heartbeat.objects.create(name=HeartbeatName.WATCH, at=now, since=now)
    assert noted()["activity"] == ""
    long_ago = now - timedelta(seconds=settings.PORTAL_ACTIVITY_SECONDS * 10)
    Heartbeat.objects.update(since=long_ago)
    assert noted()["activity"] == conditions.NOT_PROBED
    Heartbeat.objects.beat(HeartbeatName.ACTIVITY, within=timedelta(hours=1))
    assert noted()["activity"] == ""


def test_a_nearly_full_disk_is_a_problem(backend, settings):
    settings.PORTAL_MIN_FREE_GB = 5
    Capacity.objects.create(pk=1, at=timezone.now(), disk_gb=100, disk_free_gb=4)
    assert noted()["disk"] == conditions.DISK_NEARLY_FULL
    Capacity.objects.update(disk_free_gb=6)
    assert noted()["disk"] == ""


def test_redis_is_checked_only_if_configured(backend, redis, settings):
    assert noted()["channel"] == ""
    redis.kill()
    redis.wait()
    assert noted()["channel"] == conditions.REDIS_AWAY
    settings.REDIS_URL = ""
    assert "channel" not in noted()


def test_a_redis_that_accepts_connections_but_never_answers_is_away(backend, settings):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        settings.REDIS_URL = f"redis://127.0.0.1:{deaf.getsockname()[1]}"
        assert noted()["channel"] == conditions.REDIS_AWAY


def test_a_mail_server_that_failed_on_the_last_attempt_is_a_problem(backend, ada, settings):
    settings.PORTAL_EMAIL_URL = "smtp://127.0.0.1"
    assert noted()["mail"] == ""
    away = {"claimed": timezone.now(), "attempts": 1, "error": "the mail server is away: refused"}
    Letter.objects.create(key="one", to=ada, **away)
    assert noted()["mail"] == conditions.MAIL_AWAY
    Letter.objects.create(key="two", to=ada, claimed=timezone.now(), sent=timezone.now())
    assert noted()["mail"] == ""
    settings.PORTAL_EMAIL_URL = ""
    assert "mail" not in noted()


def test_reconcile_records_that_the_back_end_works(backend):
    reconcile()
    assert Condition.objects.get(part="backend").problem == ""
