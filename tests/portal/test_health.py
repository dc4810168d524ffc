"""/health answers 200 once a launch would work, and otherwise names the problem; for each part it
says since when."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import DatabaseError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone
from django_q.models import OrmQ

from portal.health import checks as health
from sessions.backends import Problem
from sessions.errors import TemporaryError
from sessions.models import Condition, Heartbeat, HeartbeatName
from sessions.watch import conditions

pytestmark = [pytest.mark.django_db, pytest.mark.databases]


@pytest.fixture
def alive(db, backend):
    """A portal in which everything works."""
    Heartbeat.objects.beat(HeartbeatName.WATCH, within=timedelta(minutes=1))
    return backend


def answer() -> tuple[int, dict[str, str]]:
    response = Client().get("/health")
    return response.status_code, response.json()["checks"]


def test_all_is_well(alive):
    checks = dict.fromkeys(("database", "worker", "watch", "backend"), "ok")
    status, found = answer()
    assert (status, {part: found[part] for part in checks}) == (200, checks)
    assert Client().get("/health").json()["status"] == "ok"


def test_a_task_that_nobody_takes_tells_of_a_deaf_worker(alive):
    OrmQ.objects.create(key="bindery", payload="", lock=timezone.now() - timedelta(seconds=121))
    assert answer()[0] == 503
    assert answer()[1]["worker"] == "tasks wait for too long"


def test_a_task_that_waits_for_a_minute_is_no_trouble(alive):
    OrmQ.objects.create(key="bindery", payload="", lock=timezone.now() - timedelta(seconds=60))
    assert answer()[0] == 200


def test_a_watch_without_a_sign_of_life_is_named(alive):
    Heartbeat.objects.update(at=timezone.now() - timedelta(minutes=5))
    assert answer()[0] == 503
    assert answer()[1]["watch"] == "no heartbeat"


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
    assert {"database", "worker", "watch", "backend"} <= set(checks)
    assert "secret" not in str(checks)


def test_trouble_of_the_back_end_is_named_by_its_id_alone(alive):
    alive.troubles = [Problem("local.W001", "No sandbox in /secret/place", "Install it")]
    assert answer()[0] == 503
    assert answer()[1]["backend"] == "local.W001"


# --- since when ---
def since(part: str) -> datetime:
    return datetime.fromisoformat(Client().get("/health").json()["since"][part])


def hours_ago(hours: float) -> datetime:
    return (timezone.now() - timedelta(hours=hours)).replace(microsecond=0)


def test_each_part_says_since_when(alive):
    about = Client().get("/health").json()
    assert about["since"].keys() == about["checks"].keys()


def test_watch_is_well_since_its_first_sign_of_life_and_gone_since_its_last(alive):
    began, last = hours_ago(3), hours_ago(2)
    Heartbeat.objects.filter(name=HeartbeatName.WATCH).update(since=began)
    assert since("watch") == began
    Heartbeat.objects.filter(name=HeartbeatName.WATCH).update(at=last)
    assert since("watch") == last


def test_what_was_noted_of_a_part_has_its_time(alive):
    well, ill = hours_ago(5), hours_ago(0.5)
    Condition.objects.create(part="worker", problem="", since=well)
    assert since("worker") == well
    OrmQ.objects.create(key="bindery", payload="", lock=hours_ago(1))
    assert since("worker") > hours_ago(1)  # seen here first, just now
    conditions.record_all()
    Condition.objects.filter(part="worker").update(since=ill)
    assert since("worker") == ill


def test_a_trouble_that_keeps_no_launch_from_working_is_only_said(alive):
    Condition.objects.create(part="disk", problem="little room is left")
    status, checks = answer()
    assert status == 200
    assert checks["disk"] == "little room is left"


def test_a_back_end_that_does_not_answer_is_known_from_reconcile(alive):
    with pytest.raises(TemporaryError), conditions.record_backend_condition():
        raise TemporaryError("cluster.unreachable", "10.0.0.1 does not answer")
    assert answer()[0] == 503
    assert answer()[1]["backend"] == "cluster.unreachable"
    with conditions.record_backend_condition():
        pass
    assert answer()[0] == 200


def test_without_watch_nobody_knows_of_what_it_looks_at(alive):
    Condition.objects.create(part="channel", problem="")
    Heartbeat.objects.update(at=hours_ago(1))
    assert answer()[1]["channel"] == "unknown without watch"


def test_without_a_database_a_process_says_since_when_it_has_none(alive):
    def unreachable(*arguments: object) -> None:
        raise DatabaseError

    Condition.objects.create(part="disk", problem="")
    before = timezone.now().replace(microsecond=0)
    assert answer()[0] == 200
    with connection.execute_wrapper(unreachable):
        first = since("database")
        assert answer()[1]["disk"] == "unknown without the database"
        assert since("database") == first >= before


def test_it_asks_the_database_no_more_than_six_times(alive, django_assert_max_num_queries):
    conditions.record_all()
    with django_assert_max_num_queries(6):
        answer()


def test_it_proves_which_portal_it_is(alive, settings):
    def proof(nonce: str) -> str:
        found: str = Client().get("/health", {"nonce": nonce}).json()["proof"]
        return found

    assert proof("one") == health.proof("one") != proof("two")
    first = proof("one")
    settings.SECRET_KEY = "another portal's"
    assert proof("one") != first
