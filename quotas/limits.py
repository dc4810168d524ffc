"""Look up a person's limits, say where each figure comes from, and compare use with them.

`fields` has the rule. The database is asked each time, so changes by staff take effect at once.

`lock_person` serializes requests for the same person; `project_shortage` and `notebook_shortage`
compare. So the comparison is exact under any concurrency, if the caller counts what is in use
between the two.

`quotas` knows nothing of projects and sessions. To show use all the same, it calls a function that
is handed in when the portal starts (`register_usage_counter`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import BigIntegerField, DateField, Min
from django.utils import timezone

from portal.lib.db import CompiledQuery, Param
from portal.models import User
from quotas.fields import FIELDS, Effective, combine
from quotas.models import Grant, LimitSet
from quotas.resources import Resources

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Limits:
    """A person's limits, the figures of `quotas.fields.FIELDS`.

    ``projects``, ``running`` and ``builds`` bound how many projects, running notebooks and builds
    they may have at once. ``…_request`` is what a notebook is guaranteed and ``…_limit`` the most
    it may use, where its repository does not say. ``max_…`` is the most that one notebook may ask
    for, and ``total_…`` the most that is guaranteed to all of them together. CPUs, memory in GB
    (10⁹ bytes), GPUs.
    """

    projects: int
    running: int
    cpu_request: float
    cpu_limit: float
    memory_request_gb: float
    memory_limit_gb: float
    max_cpu: float
    max_memory_gb: float
    max_gpu: int
    total_cpu: float
    total_memory_gb: float
    total_gpu: int
    idle_days: int
    volume_gb: float
    builds: int


def defaults() -> dict[str, float]:
    """Return the limits where nobody has set any; a local back end has no GPUs to give."""
    local = settings.PORTAL_BACKEND == "local"
    return {
        "projects": 5,
        "running": 20,
        "cpu_request": settings.PORTAL_CPU_REQUEST,
        "cpu_limit": settings.PORTAL_CPU_LIMIT,
        "memory_request_gb": settings.PORTAL_MEMORY_REQUEST_GB,
        "memory_limit_gb": settings.PORTAL_MEMORY_LIMIT_GB,
        "max_cpu": max(16, settings.PORTAL_CPU_LIMIT),
        "max_memory_gb": max(64, settings.PORTAL_MEMORY_LIMIT_GB),
        "max_gpu": 0 if local else 2,
        "total_cpu": 32,
        "total_memory_gb": 128,
        "total_gpu": 0 if local else 5,
        "idle_days": 7,
        "volume_gb": settings.PORTAL_VOLUME_GB,
        "builds": 5,
    }


def limits_of(user: User) -> Limits:
    """Return the limits in force for this person now."""
    return to_limits(effective_of(user))


def to_limits(found: Mapping[str, Effective]) -> Limits:
    """Return the figures alone, without their sources."""
    figures = {
        name: int(each.value) if FIELDS[name].whole else float(each.value)
        for name, each in found.items()
    }
    return Limits(**cast(dict[str, Any], figures))


def effective_of(user: User) -> dict[str, Effective]:
    """Return a person's limits with their sources, by the names of `quotas.fields.FIELDS`."""
    sets, grants = _SETS(user=user.pk), _GRANTS(user=user.pk, today=timezone.localdate())
    return _combined([user], FIELDS, sets, grants)[user.pk]


def effective_of_many(
    users: Collection[User], names: Collection[str] = tuple(FIELDS)
) -> dict[int, dict[str, Effective]]:
    """Return the limits of many people with their sources, by user id, in at most three queries.

    ``names`` chooses the limits; fewer are proportionally quicker.
    """
    grants = Grant.objects.active().filter(user__in=users, limit__in=names)
    return _combined(users, names, LimitSet.objects.concerning(user__in=users), grants)


def _combined(
    users: Collection[User],
    names: Collection[str],
    sets: Collection[LimitSet],
    grants: Iterable[Grant],
) -> dict[int, dict[str, Effective]]:
    default = {name: value for name, value in defaults().items() if name in names}
    granted: dict[int, list[Grant]] = defaultdict(list)
    for grant in grants:
        granted[grant.user_id].append(grant)
    own = {each.user_id: each.values() for each in sets if each.user_id}
    site = next((each.values() for each in sets if each.is_of_site), {})
    of_groups = {each.group_id: each.values() for each in sets if each.group_id}
    groups = _by_member(users, of_groups) if of_groups else {}
    return {
        user.pk: combine(
            default,
            site,
            groups.get(user.pk, {}),
            own.get(user.pk, {}),
            granted[user.pk],
        )
        for user in users
    }


def limits_of_many(users: Collection[User]) -> dict[int, Limits]:
    """Return the limits in force for many people, by user id, in at most three queries."""
    return {pk: to_limits(found) for pk, found in effective_of_many(users).items()} if users else {}


def lowest_limit(name: str) -> float:
    """Return the smallest figure of this limit that anybody may have.

    A 0 that means no bound does not count.
    """
    set_anywhere = LimitSet.objects.exclude(
        **{name: 0} if FIELDS[name].zero_means_unlimited else {}
    )
    found = set_anywhere.aggregate(least=Min(name))["least"]
    return defaults()[name] if found is None else min(defaults()[name], float(found))


def _by_member(
    users: Collection[User], of_groups: Mapping[int, dict[str, float]]
) -> dict[int, dict[str, dict[str, float]]]:
    """Return the limits set for each person's groups, by the groups' names."""
    found: dict[int, dict[str, dict[str, float]]] = defaultdict(dict)
    members = Group.objects.filter(pk__in=of_groups, user__in=users)
    for user_id, pk, name in members.values_list("user", "pk", "name"):
        found[user_id][name] = of_groups[pk]
    return found


_USER = Param("user", BigIntegerField())
_SETS = CompiledQuery(lambda: LimitSet.objects.concerning(user=_USER))
_GRANTS = CompiledQuery(
    lambda: Grant.objects.active(Param("today", DateField())).filter(user=_USER)
)
# `no_key`: rows that only refer to the person can be inserted meanwhile.
_LOCKED = CompiledQuery(
    lambda: User.objects.select_for_update(no_key=True).filter(pk=_USER).values_list("pk")
)


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


def lock_person(user_id: int) -> None:
    """Lock a person's row until the surrounding transaction ends.

    Of many concurrent requests, each then counts what the one before has inserted. Raises
    RuntimeError outside of a transaction.
    """
    if not transaction.get_connection().in_atomic_block:
        raise RuntimeError("lock_person() must be called inside a transaction")
    _LOCKED(user=user_id)


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
