"""Thread pools: tasks that wait for a slow server do not hold up anybody else's."""

from __future__ import annotations

from collections.abc import Iterator
from queue import SimpleQueue
from threading import Event

import pytest

from portal.lib.threadpool import ThreadPool, Work
from sessions import lifecycle, tasks
from sessions.git import process
from sessions.lifecycle import builds
from sessions.models import Project, Session
from tests.githttp import GitServer
from tests.pauses import looked

PATIENCE = 20


class Server:
    """A server that answers when it is told to."""

    def __init__(self) -> None:
        self.asked: SimpleQueue[int] = SimpleQueue()
        self.over = Event()

    def work(self, key: int, host: str, person: int) -> Work:
        def ask() -> None:
            self.asked.put(key)
            assert self.over.wait(PATIENCE)

        return Work(key, host, person, ask)

    def asked_by(self, count: int) -> list[int]:
        """Return who is asking now, and assert that there are ``count`` of them."""
        found = [self.asked.get(timeout=PATIENCE) for _each in range(count)]
        assert self.asked.empty()
        return found


@pytest.fixture
def silent() -> Iterator[Server]:
    server = Server()
    yield server
    server.over.set()


@pytest.fixture
def quick() -> Server:
    server = Server()
    server.over.set()
    return server


def test_forty_launches_from_a_silent_server_do_not_delay_others(silent, quick):
    """Neither of another server, nor of other people."""
    pool = ThreadPool(max_threads=8, max_per_host=3, max_per_user=1)
    for number in range(40):
        pool.submit(silent.work(number, "silent.example.org", person=number % 10))
    pool.submit(quick.work(100, "git.example.org", person=100))
    assert quick.asked.get(timeout=PATIENCE) == 100
    assert len(silent.asked_by(3)) == 3


def test_one_person_has_one_lookup_at_a_time(silent, quick):
    pool = ThreadPool(max_threads=8, max_per_host=3, max_per_user=1)
    for number in range(20):
        pool.submit(silent.work(number, f"s{number}.example.org", person=1))
    pool.submit(quick.work(100, "s3.example.org", person=2))
    assert quick.asked.get(timeout=PATIENCE) == 100
    assert silent.asked_by(1) == [0]
    silent.over.set()
    assert [silent.asked.get(timeout=PATIENCE) for _each in range(19)] == list(range(1, 20))


def test_threads_never_exceed_the_maximum(silent):
    pool = ThreadPool(max_threads=5, max_per_host=9, max_per_user=9)
    for number in range(30):
        pool.submit(silent.work(number, f"s{number}", person=number))
    assert sorted(silent.asked_by(5)) == [0, 1, 2, 3, 4]


def test_a_pending_or_running_lookup_is_not_queued_twice(silent):
    """`reconcile` hands it in again each minute."""
    pool = ThreadPool(max_threads=2, max_per_host=1, max_per_user=1)
    for number in (1, 2, 1, 2):
        pool.submit(silent.work(number, "one", person=1))
    silent.over.set()
    assert [silent.asked.get(timeout=PATIENCE) for _each in range(2)] == [1, 2]
    assert silent.asked.empty()


def test_a_failed_lookup_frees_its_slot(quick):
    def fail() -> None:
        raise RuntimeError("on purpose")

    pool = ThreadPool(max_threads=1, max_per_host=1, max_per_user=1)
    for number in range(3):
        pool.submit(Work(number, "one", 1, fail))
    pool.submit(quick.work(100, "one", person=1))
    assert quick.asked.get(timeout=PATIENCE) == 100


@pytest.fixture
def pool(settings, monkeypatch) -> Iterator[ThreadPool]:
    """The pool of a worker's process; waits at the end for running tasks."""
    settings.IN_WORKER = True
    pool = ThreadPool(builds.MAX_THREADS, builds.MAX_PER_HOST, builds.MAX_PER_USER)
    monkeypatch.setattr(builds, "_pool", pool)
    monkeypatch.setattr(process, "DEADLINE_SECONDS", 2)
    yield pool
    assert looked(lambda: not pool._running and not pool._waiting, PATIENCE)


def is_looked_up(project: Project) -> bool:
    return Session.objects.filter(project=project, build__isnull=False).exists()


@pytest.mark.django_db(transaction=True)
def test_a_launch_continues_while_another_persons_git_server_hangs(
    ada, bob, backend, git: GitServer, pool
):
    """One worker takes the tasks one after another, as it does in a queue of many."""
    asleep = git.hang("ada/asleep")
    waits = [lifecycle.launch(ada, asleep) for _each in range(3)]
    quick = lifecycle.launch(bob, git.repository("bob/quick", {"index.ipynb": "{}"}))
    for project in [*waits, quick]:
        tasks.prepare(project.current.pk)
    assert looked(lambda: is_looked_up(quick), PATIENCE)
    assert not any(is_looked_up(project) for project in waits)
