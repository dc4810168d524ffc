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
from tests.backends.waiting import until
from tests.culling.running import BEFORE, answer_of, running, use_of
from tests.culling.servers import Servers, closing, saying

BUSY = b'[{"execution_state": "busy", "connections": 1}]'


@pytest.fixture
def servers() -> Iterator[Servers]:
    with Servers() as servers:
        yield servers


def kept_up(rounds: ProbeLoop) -> bool:
    rounds.run_if_due()
    return True


def test_round_probes_every_ready_notebook_in_batches(ada, servers):
    address = servers.add(saying(BUSY))
    sessions = [running(ada, f"p{number}", address) for number in range(5)]
    probe_all(batch_size=2)
    assert all(answer_of(each)[1] for each in sessions)
    assert all(use_of(each)[0] > BEFORE for each in sessions)
    assert len(servers.heads) == 5
    assert Heartbeat.objects.filter(name=HeartbeatName.ACTIVITY).exists()


def test_notebooks_that_are_not_ready_are_not_probed(ada, servers):
    session = running(ada, address=servers.add(saying(BUSY)))
    assert Session.objects.advance(session.pk, SessionState.STOPPING, by="ada")
    probe_all()
    assert servers.heads == []


def test_silent_notebook_stays_unchanged_and_does_not_disturb_others(ada, servers):
    dead, well = (
        running(ada, name, servers.add(manner))
        for name, manner in (("dead", closing), ("well", saying(BUSY)))
    )
    Session.objects.update(asked=BEFORE, busy=True)
    probe_all()
    assert answer_of(dead) == (BEFORE, True)
    assert use_of(well)[0] > BEFORE
    assert Heartbeat.objects.filter(name=HeartbeatName.ACTIVITY).exists()


def test_round_in_which_no_notebook_answers_counts_as_failed(ada, servers, caplog):
    address = servers.add(closing)
    for name in ("one", "another"):
        running(ada, name, address)
    probe_all()
    assert not Heartbeat.objects.filter(name=HeartbeatName.ACTIVITY).exists()
    assert "none of 2 notebooks" in caplog.text


def test_round_without_notebooks_counts_as_successful(db):
    probe_all()
    assert Heartbeat.objects.filter(name=HeartbeatName.ACTIVITY).exists()


def test_unreadable_token_does_not_stop_the_other_probes(ada, servers):
    address = servers.add(saying(BUSY))
    broken, well = running(ada, "broken", address), running(ada, "well", address)
    Session.objects.filter(pk=broken.pk).update(sealed_token="of another portal")
    probe_all()
    assert answer_of(broken)[0] is None
    assert answer_of(well)[0] is not None


def test_probe_loop_never_blocks_and_runs_one_round_at_a_time(settings):
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
def test_failed_round_is_logged_and_followed_by_another(settings, caplog, failure):
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
def test_round_thread_writes_and_closes_its_database_connection(ada, servers):
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
