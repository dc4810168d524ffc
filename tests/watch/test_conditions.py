"""Conditions that watch records of the portal's parts, and what happens when a part was removed."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import timedelta

import pytest
from django.test import TestCase
from django.utils import timezone
from django_q.models import OrmQ

from portal import settings as portal_settings
from portal.models import Letter
from sessions.clock import SteadyClock
from sessions.errors import TemporaryError
from sessions.models import Capacity, Condition, Heartbeat, HeartbeatName
from sessions.progress import journal, notify
from sessions.states import Phase
from sessions.watch import conditions
from sessions.watch.reconcile import reconcile
from tests.making import session_of
from tests.pauses import looked

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


@pytest.fixture
def messenger(monkeypatch) -> Iterator[None]:
    """A messenger of the test's own, as in a process that has just started."""
    monkeypatch.setattr(notify, "_messengers", {})
    monkeypatch.setattr(notify, "PAUSE_SECONDS", 0.1)
    yield
    notify._messengers.clear()


def layer(address: str) -> dict[str, object]:
    hosts = {"hosts": [{"address": address, **portal_settings.redis_patience()}]}
    return {
        "default": {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": hosts}
    }


def channel_becomes(problem: str) -> bool:
    return bool(looked(lambda: noted()["channel"] == problem, 20))


def test_redis_is_checked_only_if_configured(backend, redis, settings, messenger):
    settings.CHANNEL_LAYERS = layer(settings.REDIS_URL)
    assert channel_becomes("")
    redis.kill()
    redis.wait()
    assert channel_becomes(notify.AWAY)
    settings.REDIS_URL = ""
    assert "channel" not in noted()


def test_a_redis_that_accepts_connections_but_never_answers_is_away(backend, settings, messenger):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        settings.REDIS_URL = f"redis://127.0.0.1:{deaf.getsockname()[1]}"
        settings.CHANNEL_LAYERS = layer(settings.REDIS_URL)
        assert channel_becomes(notify.AWAY)


def test_a_redis_that_refuses_the_portal_is_not_away(backend, redis, settings, messenger):
    settings.CHANNEL_LAYERS = layer(f"{settings.REDIS_URL}?password=wrong&username=nobody")
    assert channel_becomes(notify.REFUSED)
    assert "refuses" in conditions.describe_problem("channel", notify.REFUSED).message


def test_many_events_cost_one_wake_up_that_nobody_waits_for(ada, settings, messenger):
    session = session_of(ada)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        settings.CHANNEL_LAYERS = layer(f"redis://127.0.0.1:{deaf.getsockname()[1]}")
        with TestCase.captureOnCommitCallbacks(execute=True):
            for number in range(50):
                journal.record(session, Phase.WAITING, str(number))
        assert looked(lambda: notify.problem() == notify.AWAY, 20)
        deaf.settimeout(0.1)
        assert _accepted(deaf) <= 5


def _accepted(server: socket.socket) -> int:
    """Return how many connections have come. None is closed before: the client would try again."""
    found = []
    with ExitStack() as connections, suppress(TimeoutError):
        while True:
            found.append(connections.enter_context(server.accept()[0]))
    return len(found)


def test_a_mail_server_that_failed_on_the_last_attempt_is_a_problem(backend, ada, settings):
    settings.PORTAL_EMAIL_URL = "smtp://127.0.0.1"
    assert noted()["mail"] == ""
    away = {"claimed": timezone.now(), "attempts": 1, "error": "the mail server is away: refused"}
    Letter.objects.create(key="one", to=ada, **away)
    assert noted()["mail"] == conditions.MAIL_AWAY
    refused = {**away, "error": "the mail server refuses the portal: 535"}
    Letter.objects.create(key="three", to=ada, **{**refused, "claimed": timezone.now()})
    assert noted()["mail"] == conditions.MAIL_REFUSED
    assert "refuses" in conditions.describe_problem("mail", conditions.MAIL_REFUSED).message
    Letter.objects.create(key="two", to=ada, claimed=timezone.now(), sent=timezone.now())
    assert noted()["mail"] == ""
    settings.PORTAL_EMAIL_URL = ""
    assert "mail" not in noted()


def test_reconcile_records_that_the_back_end_works(backend):
    reconcile()
    assert Condition.objects.get(part="backend").problem == ""


def test_time_in_which_the_back_end_does_not_answer_does_not_count(backend):
    passed = [0.0]
    began = timezone.now()
    clock = SteadyClock(lambda: began + timedelta(seconds=passed[0]), lambda: passed[0])
    for _minute in range(4):
        passed[0] += 60
        with pytest.raises(TemporaryError), conditions.record_backend_condition(clock):
            raise TemporaryError("cluster.unreachable", "It does not answer.")
    passed[0] += 60
    with conditions.record_backend_condition(clock):
        pass
    assert clock.since(began) == timedelta()
    passed[0] += 120
    assert clock.has_elapsed(began, 120)
