"""Every ready notebook is asked again and again, and no failure stops that."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection

from sessions.culling.activity import ProbeLoop, probe_all
from sessions.models import Heartbeat, HeartbeatName, Project, Session
from sessions.states import SessionState
from tests.activity.running import BEFORE, answer_of, running, use_of
from tests.activity.servers import Servers, closing, saying
from tests.backends.waiting import until

BUSY = b'[{"execution_state": "busy", "connections": 1}]'


@pytest.fixture
def servers() -> Iterator[Servers]:
    with Servers() as servers:
        yield servers


def kept_up(rounds: ProbeLoop) -> bool:
    rounds.run_if_due()
    return True


def test_a_round_asks_all_that_are_ready_however_few_it_holds_at_a_time(ada, servers):
    address = servers.add(saying(BUSY))
    sessions = [running(ada, f"p{number}", address) for number in range(5)]
    probe_all(batch_size=2)
    assert all(answer_of(each)[1] for each in sessions)
    assert all(use_of(each)[0] > BEFORE for each in sessions)
    assert len(servers.heads) == 5
    assert Heartbeat.objects.filter(name=HeartbeatName.ACTIVITY).exists()


def test_others_are_not_asked(ada, servers):
    session = running(ada, address=servers.add(saying(BUSY)))
    assert Session.objects.advance(session.pk, SessionState.STOPPING, by="ada")
    probe_all()
    assert servers.heads == []


def test_one_that_does_not_answer_is_not_therefore_idle_and_disturbs_nobody(ada, servers):
    dead, well = (
        running(ada, name, servers.add(manner))
        for name, manner in (("dead", closing), ("well", saying(BUSY)))
    )
    Session.objects.update(asked=BEFORE, busy=True)
    probe_all()
    assert answer_of(dead) == (BEFORE, True)
    assert use_of(well)[0] > BEFORE
    assert Heartbeat.objects.filter(name=HeartbeatName.ACTIVITY).exists()


def test_where_none_of_several_answers_it_is_not_the_notebooks_that_fail(ada, servers, caplog):
    address = servers.add(closing)
    for name in ("one", "another"):
        running(ada, name, address)
    probe_all()
    assert not Heartbeat.objects.filter(name=HeartbeatName.ACTIVITY).exists()
    assert "none of 2 notebooks" in caplog.text


def test_where_nothing_runs_a_round_has_worked(db):
    probe_all()
    assert Heartbeat.objects.filter(name=HeartbeatName.ACTIVITY).exists()


def test_a_token_that_cannot_be_opened_keeps_no_other_from_being_asked(ada, servers):
    address = servers.add(saying(BUSY))
    broken, well = running(ada, "broken", address), running(ada, "well", address)
    Session.objects.filter(pk=broken.pk).update(sealed_token="of another portal")
    probe_all()
    assert answer_of(broken)[0] is None
    assert answer_of(well)[0] is not None


def test_whoever_keeps_up_never_waits_and_starts_one_round_at_a_time(settings):
    settings.PORTAL_ACTIVITY_SECONDS = 0.01
    begun: list[threading.Thread] = []
    go_on = threading.Event()

    def work() -> None:
        begun.append(threading.current_thread())
        go_on.wait(20)

    rounds = ProbeLoop(work)
    for _time in range(20):
        rounds.run_if_due()
    until(lambda: begun)
    assert len(begun) == 1 and begun[0].is_alive()
    go_on.set()
    begun[0].join()
    until(lambda: kept_up(rounds) and len(begun) > 1)


def test_a_round_is_due_only_after_the_pause(settings):
    settings.PORTAL_ACTIVITY_SECONDS = 3600
    begun: list[threading.Thread] = []
    rounds = ProbeLoop(lambda: begun.append(threading.current_thread()))
    rounds.run_if_due()
    until(lambda: begun)
    begun[0].join()
    rounds.run_if_due()
    assert len(begun) == 1


@pytest.mark.parametrize("failure", [OperationalError("the database is away"), ValueError()])
def test_a_round_that_fails_is_logged_and_followed_by_another(settings, caplog, failure):
    settings.PORTAL_ACTIVITY_SECONDS = 0.01
    begun: list[threading.Thread] = []

    def work() -> None:
        begun.append(threading.current_thread())
        if len(begun) == 1:
            raise failure

    rounds = ProbeLoop(work)
    until(lambda: kept_up(rounds) and len(begun) > 1)
    assert "will be retried" in caplog.text
    begun[-1].join()


@pytest.mark.django_db(transaction=True)
def test_a_round_in_its_thread_writes_and_leaves_no_connection_behind(ada, servers):
    session = running(ada, address=servers.add(saying(BUSY)))
    left: list[tuple[threading.Thread, Any]] = []

    def work() -> None:
        probe_all()
        left.append((threading.current_thread(), connection.connection))

    rounds = ProbeLoop(work)
    rounds.run_if_due()
    until(lambda: Project.objects.get(pk=session.project_id).last_activity > BEFORE)
    (thread, used) = until(lambda: left)[0]
    thread.join()  # to use a connection while it is being closed crashes SQLite
    with pytest.raises((sqlite3.Error, psycopg.Error)):
        used.cursor().execute("SELECT 1")
