"""Whether the portal can take a launch: asked by ``/health`` and by `portal.supervisor`.

It reads the task queue's table, because that is the only way to notice a worker that is alive but
deaf; it enqueues nothing.
"""

from __future__ import annotations

from datetime import timedelta
from functools import cache

from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django_q.models import OrmQ

from sessions import watch
from sessions.backends import get_backend

DEAF_AFTER = timedelta(minutes=2)
"""A task that is due for so long has nobody who listens for it."""
OK = "ok"


class Report(JsonResponse):
    """Django logs an answer above 499 as an error of ours, unless that was done; this is none."""

    _has_been_logged = True


@never_cache
@require_safe
def health(request: HttpRequest) -> Report:
    """200 when a launch would work, else 503; ``checks`` has the same keys either way."""
    checks = _checks()
    is_well = set(checks.values()) == {OK}
    return Report(
        {"status": OK if is_well else "unavailable", "checks": checks},
        status=200 if is_well else 503,
    )


def worker_is_deaf() -> bool:
    """Whether tasks wait that no worker takes. Raises `DatabaseError` when nobody can say."""
    return bool(OrmQ.objects.filter(lock__lt=timezone.now() - DEAF_AFTER).exists())


def _checks() -> dict[str, str]:
    # Words for programs and operators: short, in English, and nothing that outsiders may not know.
    try:
        checks = {"database": OK if _is_migrated() else "migrations are missing"}
        if checks["database"] == OK:
            checks["worker"] = "tasks wait for too long" if worker_is_deaf() else OK
            checks["watch"] = OK if watch.is_alive() else "no sign of life"
    except (DatabaseError, InterfaceError):
        checks = {"database": "cannot be reached"}
    unknown = dict.fromkeys(("worker", "watch"), "cannot be known without the database")
    problems = ", ".join(problem.id for problem in get_backend().problems())
    return unknown | checks | {"backend": problems or OK}


def _is_migrated() -> bool:
    return _migrations() <= set(MigrationRecorder(connection).applied_migrations())


@cache
def _migrations() -> frozenset[tuple[str, str]]:
    """All that this code comes with."""
    return frozenset(MigrationLoader(None).disk_migrations)
