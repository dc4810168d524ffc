"""The worker waits for a bell, not for its next look at the queue; a lost ring costs a second."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Timer

import pytest
from django.db import connection

from sessions.lifecycle.queue import LOOK_SECONDS, Bell, Broker

LONG = 5.0
"""Seconds that no wait here lasts."""


def seconds(act: Callable[[], object]) -> float:
    began = time.monotonic()
    act()
    return time.monotonic() - began


@pytest.fixture
def listen() -> Iterator[Callable[[Path], Bell]]:
    made: list[Bell] = []

    def make(folder: Path) -> Bell:
        made.append(Bell(folder))
        made[-1].wait(0)  # listens from now on
        return made[-1]

    yield make
    for each in made:
        assert each._heard
        each._heard[1].close()


@pytest.fixture
def bell(listen, tmp_path) -> Bell:
    return listen(tmp_path)


def test_a_ring_ends_the_wait(bell, tmp_path):
    Timer(0.05, Bell(tmp_path).ring).start()
    assert seconds(lambda: bell.wait(LONG)) < 1


def test_a_ring_before_the_wait_is_not_lost(bell, tmp_path):
    Bell(tmp_path).ring()
    assert seconds(lambda: bell.wait(LONG)) < 1


def test_many_rings_are_one(bell, tmp_path):
    for _ring in range(1000):  # nobody who rings waits until it is heard
        Bell(tmp_path).ring()
    bell.wait(LONG)
    assert seconds(lambda: bell.wait(0.05)) >= 0.05


def test_without_a_ring_the_wait_ends_by_itself(bell):
    assert 0.05 <= seconds(lambda: bell.wait(0.05)) < 1


def test_nobody_needs_to_listen(tmp_path):
    Bell(tmp_path).ring()
    Bell(tmp_path / "gone").ring()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as killed:
        killed.bind(str(tmp_path / "queue.sock"))
    Bell(tmp_path).ring()


def test_the_next_worker_takes_the_place_of_one_that_was_killed(bell, listen, tmp_path):
    after = listen(tmp_path)
    Bell(tmp_path).ring()
    assert seconds(lambda: after.wait(LONG)) < 1


def test_a_forked_process_listens_for_itself(bell, tmp_path):
    child = os.fork()
    if not child:
        bell.wait(LONG)
        os._exit(0)
    while not os.waitpid(child, os.WNOHANG)[0]:
        Bell(tmp_path).ring()
        time.sleep(0.01)


def test_the_folder_may_have_any_length(listen, tmp_path):
    folder = tmp_path.joinpath(*["a-folder-of-a-long-name"] * 8)
    folder.mkdir(parents=True)
    bell = listen(folder)
    Bell(folder).ring()
    assert seconds(lambda: bell.wait(LONG)) < 1
    assert (folder / "queue.sock").stat().st_mode & 0o077 == 0


@pytest.mark.django_db(transaction=True)
def test_a_task_is_taken_at_once(bell, monkeypatch):
    monkeypatch.setattr(Broker, "bell", bell)
    broker = Broker("bindery")

    def enqueue() -> None:
        broker.enqueue("work")
        connection.close()

    Timer(0.05, enqueue).start()
    began, found = time.monotonic(), None
    while not found:
        found = broker.dequeue()
    assert [payload for _number, payload in found] == ["work"]
    assert time.monotonic() - began < LOOK_SECONDS


@pytest.mark.django_db(transaction=True)
def test_a_task_whose_ring_was_lost_is_taken_all_the_same(bell, monkeypatch):
    monkeypatch.setattr(Broker, "bell", bell)
    broker = Broker("bindery")
    super(Broker, broker).enqueue("work")  # as another version of the portal does
    assert broker.dequeue()
