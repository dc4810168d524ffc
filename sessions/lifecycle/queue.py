"""Put steps into the task queue, and see whether a worker takes them.

`sessions.watch.reconcile` enqueues steps again through `Requeue`, which puts each step into the
queue at most once: whatever waits there will be done without being repeated. Otherwise a worker
that is away for a day would come back to a thousand copies of each step.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.db import transaction
from django.db.models import Count, Min
from django.utils import timezone
from django_q.conf import Conf
from django_q.models import OrmQ, Task
from django_q.tasks import async_task, result

STALLED_AFTER = timedelta(minutes=2)
"""If a task has been due for this long, and none was taken meanwhile, no worker is listening."""


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
