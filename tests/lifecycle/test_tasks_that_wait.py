"""Tasks that ask a service outside of the portal wait in threads, and hold up no other task."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Event

import pytest

from portal.lib.threadpool import ThreadPool
from sessions import tasks
from tests.pauses import looked

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE = 20


class Step:
    """A step that waits for a service."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.over = Event()

    def __call__(self, number: int) -> None:
        self.begun.append(number)
        assert self.over.wait(PATIENCE)


@pytest.fixture
def pool(settings, monkeypatch) -> Iterator[ThreadPool]:
    settings.IN_WORKER = True
    pool = ThreadPool(tasks.MAX_THREADS, tasks.MAX_PER_SERVICE, 1)
    monkeypatch.setattr(tasks, "_pool", pool)
    yield pool
    assert looked(lambda: not pool._running and not pool._waiting, PATIENCE)


@pytest.fixture
def step() -> Iterator[Step]:
    step = Step()
    yield step
    step.over.set()


def test_a_task_that_asks_a_service_is_over_at_once(pool, step):
    task = tasks._task("one", step, check_ownership=False, service="mail")
    for number in range(20):
        task(number)
    assert looked(lambda: len(step.begun) == tasks.MAX_PER_SERVICE, PATIENCE)


def test_services_do_not_wait_for_each_other(pool, step):
    slow = tasks._task("slow", step, check_ownership=False, service="mail")
    quick: list[int] = []
    other = tasks._task("quick", quick.append, check_ownership=False, service="sign-in")
    for number in range(20):
        slow(number)
    other(7)
    assert looked(lambda: quick == [7], PATIENCE)


def test_a_task_that_fails_frees_its_place(pool):
    done: list[int] = []

    def fail(number: int) -> None:
        done.append(number)
        raise RuntimeError("on purpose")

    task = tasks._task("one", fail, check_ownership=False, service="mail")
    for number in range(9):
        task(number)
    assert looked(lambda: sorted(done) == list(range(9)), PATIENCE)


@pytest.mark.parametrize("name", ["send_letters", "refresh_sign_in", "ask_providers", "tidy"])
def test_tasks_that_ask_somebody_else_name_the_service(pool, monkeypatch, name):
    asked: list[object] = []
    monkeypatch.setattr(pool, "submit", asked.append)
    getattr(tasks, name)(*([1] if name == "refresh_sign_in" else []))
    assert len(asked) == 1
