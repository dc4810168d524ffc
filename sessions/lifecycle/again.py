"""Handing steps to the worker once more, for `reconcile`: each at most once in the queue.

Whatever waits there will be done without being repeated. Else a worker that is away for a day would
come back to a thousand copies of each step.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.utils import timezone
from django_q.models import OrmQ

from sessions.lifecycle.queue import enqueue

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
