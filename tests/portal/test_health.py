"""/health answers 200 once a launch would work, and otherwise names what is wrong."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import DatabaseError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ

from portal import health
from sessions.backends import Problem
from sessions.models import Heartbeat

pytestmark = pytest.mark.django_db


@pytest.fixture
def alive(db, backend):
    """A portal in which everything is well."""
    Heartbeat.objects.beat("watch", within=timedelta(minutes=1))
    return backend


def answer() -> tuple[int, dict[str, str]]:
    response = Client().get("/health")
    return response.status_code, response.json()["checks"]


def test_all_is_well(alive):
    checks = dict.fromkeys(("database", "worker", "watch", "backend"), "ok")
    assert answer() == (200, checks)
    assert Client().get("/health").json()["status"] == "ok"


def test_a_task_that_nobody_takes_tells_of_a_deaf_worker(alive):
    OrmQ.objects.create(key="bindery", payload="", lock=timezone.now() - timedelta(seconds=121))
    assert answer()[0] == 503
    assert answer()[1]["worker"] == "tasks wait for too long"
    assert health.worker_is_deaf()


def test_a_task_that_waits_for_a_minute_is_no_trouble(alive):
    OrmQ.objects.create(key="bindery", payload="", lock=timezone.now() - timedelta(seconds=60))
    assert answer()[0] == 200


def test_a_watch_without_a_sign_of_life_is_named(alive):
    Heartbeat.objects.update(at=timezone.now() - timedelta(minutes=5))
    assert answer()[0] == 503
    assert answer()[1]["watch"] == "no sign of life"


def test_a_missing_migration_is_named(alive):
    MigrationRecorder(connection).record_unapplied("notebook_sessions", "0001_initial")
    assert answer()[0] == 503
    assert answer()[1]["database"] == "migrations are missing"


def test_an_unreachable_database_is_named(alive):
    def unreachable(*arguments: object) -> None:
        raise DatabaseError("no such host, user bindery, password secret")

    with connection.execute_wrapper(unreachable):
        status, checks = answer()
    assert status == 503
    assert checks["database"] == "cannot be reached"
    assert set(checks) == {"database", "worker", "watch", "backend"}
    assert "secret" not in str(checks)


def test_trouble_of_the_back_end_is_named_by_its_id_alone(alive):
    alive.troubles = [Problem("local.W001", "No sandbox in /secret/place", "Install it")]
    assert answer()[0] == 503
    assert answer()[1]["backend"] == "local.W001"
