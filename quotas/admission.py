"""Decide whether a person may have what they ask for, exactly under any concurrency.

`lock` serializes requests for the same person; `project_shortage` and `notebook_shortage` compare.
The caller counts what is in use, between the two.

`quotas` knows nothing of projects and sessions. To show use all the same, it calls a function that
is handed in when the portal starts (`register_usage_counter`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from django.db import transaction
from django.db.models import BigIntegerField

from portal.lib.db import CompiledQuery, Param
from portal.models import User
from quotas.limits import Limits, limits_of
from quotas.resources import Resources

_ROUNDING = 1e-9
_USER = Param("user", BigIntegerField())
_LOCKED = CompiledQuery(lambda: User.objects.select_for_update().filter(pk=_USER).values_list("pk"))


@dataclass(frozen=True)
class Usage:
    """A person's use: projects, notebooks starting or running, and what is guaranteed to those.

    CPUs, memory in GB, GPUs.
    """

    projects: int = 0
    running: int = 0
    cpu: float = 0
    memory_gb: float = 0
    gpu: int = 0


@dataclass(frozen=True)
class Shortage:
    """A limit that is too small.

    ``requested`` more of ``limit`` (a name of `quotas.fields.FIELDS`) do not fit: ``allowed`` are
    allowed, and ``in_use`` are in use.
    """

    limit: str
    allowed: float
    in_use: float
    requested: float


def lock(user: User) -> Limits:
    """Return the person's limits, with their row locked until the surrounding transaction ends.

    Of many concurrent requests, each then counts what the one before has inserted. Raises
    RuntimeError outside of a transaction.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("lock() must be called inside a transaction")
    _LOCKED(user=user.pk)
    return limits_of(user)


def project_shortage(limits: Limits, usage: Usage) -> Shortage | None:
    """Return the shortage that one more project would meet; None if it fits."""
    return _first_shortage([("projects", limits.projects, usage.projects, 1)])


def notebook_shortage(limits: Limits, usage: Usage, wanted: Resources) -> Shortage | None:
    """Return the first shortage that one more running notebook would meet; None if it fits."""
    return _first_shortage(
        [
            ("running", limits.running, usage.running, 1),
            ("total_gpu", limits.total_gpu, usage.gpu, wanted.gpu),
            ("total_cpu", limits.total_cpu, usage.cpu, wanted.cpu_request),
            ("total_memory_gb", limits.total_memory_gb, usage.memory_gb, wanted.memory_request_gb),
        ]
    )


def exceeds(limits: Limits, resources: Resources) -> bool:
    """Return whether a notebook that was admitted earlier has more than one may ask for now."""
    return (
        resources.cpu_limit > limits.max_cpu
        or resources.memory_limit_gb > limits.max_memory_gb
        or resources.gpu > limits.max_gpu
    )


def _first_shortage(rows: list[tuple[str, float, float, float]]) -> Shortage | None:
    short = (
        Shortage(name, allowed, in_use, requested)
        for name, allowed, in_use, requested in rows
        if requested and in_use + requested > allowed + _ROUNDING
    )
    return next(short, None)


UsageCounter = Callable[[Collection[User]], Mapping[int, Usage]]

_COLUMNS = {
    "projects": "projects",
    "running": "running",
    "total_cpu": "cpu",
    "total_memory_gb": "memory_gb",
    "total_gpu": "gpu",
}
_usage_counters: list[UsageCounter] = []


def register_usage_counter(count: UsageCounter) -> None:
    """Register the function that counts the use of many people, by user id."""
    _usage_counters[:] = [count]


def usage_by_user(users: Collection[User]) -> dict[int, Usage]:
    """Return the use of each of these people, by user id."""
    known = _usage_counters[0](users) if _usage_counters else {}
    return {user.pk: known.get(user.pk, Usage()) for user in users}


def usage_of_limit(usage: Usage, limit: str) -> float | None:
    """Return the use that counts against a limit; None if nothing does."""
    column = _COLUMNS.get(limit)
    return None if column is None else float(getattr(usage, column))
