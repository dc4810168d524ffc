"""Handing a step to the worker, and whether anybody takes what waits."""

from __future__ import annotations

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
