"""Put steps into the task queue, and see whether a worker takes them.

`sessions.watch.reconcile` enqueues steps again through `Requeue`, which puts each step into the
queue at most once: whatever waits there will be done without being repeated. Otherwise a worker
that is away for a day would come back to a thousand copies of each step.

On one machine, whoever puts a task in rings a bell for the worker (`Bell`), which otherwise looks
once a second; with PostgreSQL, it looks ten times a second.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from select import select
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Min
from django.utils import timezone
from django_q.brokers.orm import ORM
from django_q.conf import Conf
from django_q.models import OrmQ, Task
from django_q.tasks import async_task, result

STALLED_AFTER = timedelta(minutes=2)
"""If a task has been due for this long, and none was taken meanwhile, no worker is listening."""

LOOK_SECONDS = 1.0
"""Seconds between two looks of a worker that nobody wakes."""


class Bell:
    """A datagram socket in a folder, by which processes of one machine wake one that waits.

    It may ring in vain, and is not heard while nobody waits for the first time: a bell, no queue.
    """

    def __init__(self, folder: Path, name: str = "queue.sock") -> None:
        self._folder, self._name = folder, name
        self._heard: tuple[int, socket.socket] | None = None

    def ring(self) -> None:
        """Wake the process that waits, or have its next `wait` return at once."""
        with suppress(OSError), self._address() as at, closing(_datagrams()) as sender:
            sender.sendto(b"!", at)

    def wait(self, seconds: float) -> None:
        """Wait until somebody rings, but no longer than this."""
        if self._heard is None or self._heard[0] != os.getpid():  # a socket of before a fork
            self._heard = (os.getpid(), self._listen())
        listener = self._heard[1]
        if select([listener], [], [], seconds)[0]:
            with suppress(BlockingIOError):
                while listener.recv(1):
                    pass

    def _listen(self) -> socket.socket:
        """Return the socket that is rung from now on; that of a killed process is replaced."""
        (self._folder / self._name).unlink(missing_ok=True)
        listener = _datagrams()
        with self._address() as at:
            listener.bind(at)
        (self._folder / self._name).chmod(0o600)
        return listener

    @contextmanager
    def _address(self) -> Iterator[str]:
        """Yield a path that is short enough for a socket, however long the folder's is."""
        folder = os.open(self._folder, os.O_PATH | os.O_DIRECTORY)
        try:
            yield f"/proc/self/fd/{folder}/{self._name}"
        finally:
            os.close(folder)


def _datagrams() -> socket.socket:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.setblocking(False)
    return made


class Broker(ORM):  # type: ignore[misc]  # untyped
    """The queue in the database, with a bell: nothing polls ten times a second for its tasks."""

    bell = Bell(settings.PORTAL_DATA)

    def enqueue(self, task: str) -> Any:
        number = super().enqueue(task)
        self.bell.ring()
        return number

    def dequeue(self) -> Any:
        found = super().dequeue()
        if not found:
            self.bell.wait(LOOK_SECONDS)
        return found


def enqueue(step: str, *rows: int | str) -> None:
    """Run ``sessions.tasks.<step>`` for a row once this transaction is committed.

    It is a nudge, not a promise: `sessions.watch.reconcile` does whatever a lost task should have
    done.
    """
    transaction.on_commit(lambda: async_task(f"sessions.tasks.{step}", *rows))


def is_stalled() -> bool:
    """Return whether tasks are waiting that no worker takes.

    Workers that take tasks are at work, however long the queue is: a restart would only cost what
    they have begun. Taking a task moves its lock into the future.
    """
    long_ago = timezone.now() - STALLED_AFTER
    if not OrmQ.objects.filter(lock__lt=long_ago).exists():
        return False
    taken = OrmQ.objects.filter(lock__gt=long_ago + timedelta(seconds=Conf.RETRY))
    return not (taken.exists() or Task.objects.filter(stopped__gt=long_ago).exists())


def backlog() -> tuple[int, float]:
    """Return how many tasks no worker has taken yet, and the age of the oldest one in seconds."""
    now = timezone.now()
    due = OrmQ.objects.filter(lock__lte=now).aggregate(count=Count("pk"), oldest=Min("lock"))
    return due["count"], (now - due["oldest"]).total_seconds() if due["oldest"] else 0.0


def ping_worker(seconds: float) -> str | None:
    """Return the version that a worker runs, by having it take a task that does nothing else.

    Return None if no worker answers within ``seconds``.
    """
    task = async_task("sessions.tasks.version")
    answer: str | None = result(task, wait=int(seconds * 1000))
    return answer


MAX_QUEUED = 1000
"""Maximum number of queued tasks; any more get their turn in a minute."""
_PREFIX = "sessions.tasks."

Step = tuple[object, ...]


class Requeue:
    """The queue during one pass of `reconcile`: call it like `enqueue`.

    ``max_queued`` is the most tasks that may be in the queue.
    """

    def __init__(self, max_queued: int = MAX_QUEUED) -> None:
        self._max_queued = max_queued
        self._waiting = set(_waiting(max_queued))

    def __call__(self, step: str, *rows: int | str) -> None:
        """Enqueue the step unless it is already waiting or the queue is full."""
        wanted = (step, *rows)
        if wanted not in self._waiting and len(self._waiting) < self._max_queued:
            self._waiting.add(wanted)
            enqueue(step, *rows)


def _waiting(limit: int) -> Iterator[Step]:
    """Yield the steps that no worker has taken yet; one that was taken may be lost."""
    due = OrmQ.objects.filter(lock__lte=timezone.now()).order_by("pk")
    for row in due[:limit]:
        task = row.task
        yield (str(task.get("func", row.pk)).removeprefix(_PREFIX), *task.get("args", ()))
