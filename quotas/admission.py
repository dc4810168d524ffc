"""Whether a person may have one more project: exact under any concurrency."""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction

from portal.models import User
from quotas.limits import limits_of


def has_room(user: User, count_projects: Callable[[], int]) -> bool:
    """Whether one more project fits. Call inside a transaction that then inserts it.

    The person's row is locked until that transaction ends, so of many who ask at once each
    counts what the one before has inserted. ``count_projects`` says what is in use.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("has_room() must be called inside a transaction")
    User.objects.select_for_update().get(pk=user.pk)
    return count_projects() < limits_of(user).projects
