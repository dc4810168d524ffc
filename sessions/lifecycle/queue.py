"""Put steps into the task queue, each at most once where it is repeated.

Handing a step to the worker, and whether anybody takes what waits.

Handing steps to the worker once more, for `reconcile`: each at most once in the queue.

Whatever waits there will be done without being repeated. Else a worker that is away for a day
would come back to a thousand copies of each step.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.db import transaction
from django.db.models import Count, Min
from django.utils import timezone
from django_q.models import OrmQ
from django_q.tasks import async_task, result

DEAF_AFTER = timedelta(minutes=2)
"""A task that is due for so long has nobody who listens for it."""


def enqueue(step: str, *rows: int | str) -> None:
    """Run ``sessions.tasks.<step>`` for a row, once this transaction is committed.

    A nudge, not a promise: what a lost one should have done, `reconcile` does.
    """
    transaction.on_commit(lambda: async_task(f"sessions.tasks.{step}", *rows))


def is_deaf() -> bool:
    """Whether tasks wait that no worker takes."""
    return bool(OrmQ.objects.filter(lock__lt=timezone.now() - DEAF_AFTER).exists())


def waiting() -> tuple[int, float]:
    """How many tasks no worker has taken yet, and for how many seconds the oldest one waits."""
    now = timezone.now()
    due = OrmQ.objects.filter(lock__lte=now).aggregate(count=Count("pk"), oldest=Min("lock"))
    return due["count"], (now - due["oldest"]).total_seconds() if due["oldest"] else 0.0


def call_worker(seconds: float) -> str | None:
    """The version that a worker runs, by having it take a task that does nothing else; None
    where none has within ``seconds``."""
    task = async_task("sessions.tasks.version")
    answer: str | None = result(task, wait=int(seconds * 1000))
    return answer


LONG = 1000
"""So many tasks are enough for now: what is not among them has its turn in a minute."""
_PREFIX = "sessions.tasks."

Step = tuple[object, ...]


class Again:
    """One pass: call it like `enqueue`. ``most`` tasks are the queue's bound."""

    def __init__(self, most: int = LONG) -> None:
        self._most = most
        self._waiting = set(_waiting(most))

    def __call__(self, step: str, *rows: int | str) -> None:
        wanted = (step, *rows)
        if wanted not in self._waiting and len(self._waiting) < self._most:
            self._waiting.add(wanted)
            enqueue(step, *rows)


def _waiting(most: int) -> Iterator[Step]:
    """What no worker has taken yet; what one has taken may have been lost with it."""
    due = OrmQ.objects.filter(lock__lte=timezone.now()).order_by("pk")
    for row in due[:most]:
        task = row.task
        yield (str(task.get("func", row.pk)).removeprefix(_PREFIX), *task.get("args", ()))
