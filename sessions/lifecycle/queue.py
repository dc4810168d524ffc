"""Handing a step to the worker."""

from __future__ import annotations

from django.db import transaction
from django_q.tasks import async_task


def enqueue(step: str, *rows: int) -> None:
    """Run ``sessions.tasks.<step>`` for a row, once this transaction is committed.

    A nudge, not a promise: what a lost one should have done, `reconcile` does.
    """
    transaction.on_commit(lambda: async_task(f"sessions.tasks.{step}", *rows))
