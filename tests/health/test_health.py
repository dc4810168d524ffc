"""/health answers 200 once a launch would work, and otherwise names the problem; for each part it
says since when.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import DatabaseError, OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from django.utils import timezone
from django_q.conf import Conf
from django_q.models import OrmQ, Task

from portal.health import checks as health
from sessions.backends import Problem
from sessions.clock import SteadyClock
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


def test_healthy_portal_answers_200(alive):
    checks = dict.fromkeys(("database", "worker", "watch", "backend"), "ok")
    status, found = answer()
    assert (status, {part: found[part] for part in checks}) == (200, checks)
    assert Client().get("/health").json()["status"] == "ok"
    head = Client().head("/health")
    assert (head.status_code, head.content) == (200, b"")


def test_task_waiting_for_two_minutes_makes_the_worker_unhealthy(alive):
    OrmQ.objects.create(key="bindery", payload="", lock=timezone.now() - timedelta(seconds=121))
    assert answer()[0] == 503
    assert answer()[1]["worker"] == "tasks wait for too long"


def test_task_waiting_for_one_minute_is_no_problem(alive):
    OrmQ.objects.create(key="bindery", payload="", lock=timezone.now() - timedelta(seconds=60))
    assert answer()[0] == 200


def test_watch_without_a_recent_heartbeat_is_named(alive):
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


def test_backend_problem_is_named_only_by_its_id(alive):
    alive.troubles = [Problem("local.W001", "No sandbox in /secret/place", "Install it")]
    assert answer()[0] == 503
    assert answer()[1]["backend"] == "local.W001"


# --- since when ---
def since(part: str) -> datetime:
    return datetime.fromisoformat(Client().get("/health").json()["since"][part])


def hours_ago(hours: float) -> datetime:
    return (timezone.now() - timedelta(hours=hours)).replace(microsecond=0)


def test_every_part_says_since_when(alive):
    about = Client().get("/health").json()
    assert about["since"].keys() == about["checks"].keys()


def test_watch_is_up_since_its_first_and_down_since_its_last_heartbeat(alive):
    began, last = hours_ago(3), hours_ago(2)
    Heartbeat.objects.filter(name=HeartbeatName.WATCH).update(since=began)
    assert since("watch") == began
    Heartbeat.objects.filter(name=HeartbeatName.WATCH).update(at=last)
    assert since("watch") == last


def test_recorded_condition_says_since_when(alive):
    well, ill = hours_ago(5), hours_ago(0.5)
    Condition.objects.create(part="worker", problem="", since=well)
    assert since("worker") == well
    OrmQ.objects.create(key="bindery", payload="", lock=hours_ago(1))
    assert since("worker") > hours_ago(1)  # seen here first, just now
    conditions.record_all()
    Condition.objects.filter(part="worker").update(since=ill)
    assert since("worker") == ill


def test_problem_that_blocks_no_launch_still_answers_200(alive):
    Condition.objects.create(part="disk", problem="little room is left")
    status, checks = answer()
    assert status == 200
    assert checks["disk"] == "little room is left"


def test_unreachable_backend_is_reported_by_reconcile(alive):
    with pytest.raises(TemporaryError), conditions.record_backend_condition(SteadyClock()):
        raise TemporaryError("cluster.unreachable", "10.0.0.1 does not answer")
    assert answer()[0] == 503
    assert answer()[1]["backend"] == "cluster.unreachable"
    with conditions.record_backend_condition(SteadyClock()):
        pass
    assert answer()[0] == 200


def test_a_missing_right_is_reported_by_reconcile(alive, backend):
    backend.lacks = [Problem("kubernetes.rights", "The portal may not create pods.", "")]
    with conditions.record_backend_condition(SteadyClock()):
        pass
    assert answer()[0] == 503
    assert answer()[1]["backend"] == "kubernetes.rights"


def test_parts_observed_by_watch_are_unknown_without_it(alive):
    Condition.objects.create(part="channel", problem="")
    Heartbeat.objects.update(at=hours_ago(1))
    assert answer()[1]["channel"] == "unknown without watch"


def test_process_remembers_since_when_the_database_is_away(alive):
    def unreachable(*arguments: object) -> None:
        raise DatabaseError

    Condition.objects.create(part="disk", problem="")
    before = timezone.now().replace(microsecond=0)
    assert answer()[0] == 200
    with connection.execute_wrapper(unreachable):
        first = since("database")
        assert answer()[1]["disk"] == "unknown without the database"
        assert since("database") == first >= before


def test_health_takes_at_most_six_queries(alive, django_assert_max_num_queries):
    conditions.record_all()
    with django_assert_max_num_queries(6):
        answer()


def test_health_proves_which_portal_answers(alive, settings):
    def proof(nonce: str) -> str:
        found: str = Client().get("/health", {"nonce": nonce}).json()["proof"]
        return found

    assert proof("one") == health.proof("one") != proof("two")
    first = proof("one")
    settings.SECRET_KEY = "another portal's"
    assert proof("one") != first


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        ('FATAL: password authentication failed for user "bindery"', health.REFUSED),
        ('FATAL: no pg_hba.conf entry for host "10.0.0.7"', health.REFUSED),
        ('FATAL: database "bindery" does not exist', health.REFUSED),
        ("connection refused. Is the server running?", health.UNREACHABLE),
        ("timeout expired", health.UNREACHABLE),
    ],
)
def test_a_database_that_refuses_the_portal_is_not_away(alive, error: str, problem: str):
    def fail(*_arguments: object) -> None:
        raise OperationalError(error)

    with connection.execute_wrapper(fail):
        status, found = answer()
    assert (status, found["database"]) == (503, problem)


@pytest.mark.parametrize("taken", [True, False])
def test_a_worker_is_stalled_only_if_no_task_was_taken_meanwhile(alive, taken: bool):
    now = timezone.now()
    OrmQ.objects.create(key="bindery", payload="", lock=now - timedelta(minutes=10))
    since = now - timedelta(seconds=30 if taken else 130)
    OrmQ.objects.create(key="bindery", payload="", lock=since + timedelta(seconds=Conf.RETRY))
    assert (answer()[1]["worker"] == "ok") == taken


def test_a_worker_that_has_just_ended_a_task_is_not_stalled(alive):
    now = timezone.now()
    OrmQ.objects.create(key="bindery", payload="", lock=now - timedelta(minutes=10))
    Task.objects.create(id="1", name="one", func="x", started=now, stopped=now)
    assert answer()[1]["worker"] == "ok"
