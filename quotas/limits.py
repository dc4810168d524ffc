"""What a person may have now, and where each figure comes from (`effective` has the rule).

Asked of the database each time: what staff change is in force at once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from django.conf import settings
from django.contrib.auth.models import Group
from django.db.models import BigIntegerField, DateField, Min
from django.utils import timezone

from portal.lib.db import Given, Prepared
from portal.models import User
from quotas.effective import Effective, combine
from quotas.fields import FIELDS
from quotas.models import Grant, LimitSet


@dataclass(frozen=True)
class Limits:
    """The figures of `quotas.fields.FIELDS`: how many ``projects``, notebooks ``running`` and
    ``builds`` a person may have at once; what a notebook is guaranteed (request) and may use
    at most (limit) where its repository does not say; the most that one may ask for (max) and
    that is guaranteed to all of them together (total). CPUs, memory in GB (10⁹ bytes), GPUs."""

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
    """What holds where nobody has set anything; a local back end has no GPUs to give."""
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
    """The limits in force for this person now."""
    return plain(effective_of(user))


def plain(found: Mapping[str, Effective]) -> Limits:
    """The figures alone."""
    figures = {
        name: int(each.value) if FIELDS[name].whole else float(each.value)
        for name, each in found.items()
    }
    return Limits(**cast(dict[str, Any], figures))


def effective_of(user: User) -> dict[str, Effective]:
    """The limits of a person with their sources, by the names of `quotas.fields.FIELDS`."""
    sets, grants = _SETS(user=user.pk), _GRANTS(user=user.pk, today=timezone.localdate())
    return _combined([user], FIELDS, sets, grants)[user.pk]


def effective_of_many(
    users: Collection[User], names: Collection[str] = tuple(FIELDS)
) -> dict[int, dict[str, Effective]]:
    """The same for many people, by their rows' numbers, in three queries at most; of the limits
    ``names`` alone, which is quicker by as much as they are fewer."""
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
    """The figures alone for many people, by their rows' numbers, in three queries at most."""
    return {pk: plain(found) for pk, found in effective_of_many(users).items()} if users else {}


def least(name: str) -> float:
    """The smallest figure that anybody may have of this limit; 0, where it stands for no bound,
    aside."""
    set_anywhere = LimitSet.objects.exclude(**{name: 0} if FIELDS[name].endless else {})
    found = set_anywhere.aggregate(least=Min(name))["least"]
    return defaults()[name] if found is None else min(defaults()[name], float(found))


def _by_member(
    users: Collection[User], of_groups: Mapping[int, dict[str, float]]
) -> dict[int, dict[str, dict[str, float]]]:
    """What is set for the groups of each person, by the groups' names."""
    found: dict[int, dict[str, dict[str, float]]] = defaultdict(dict)
    members = Group.objects.filter(pk__in=of_groups, user__in=users)
    for user_id, pk, name in members.values_list("user", "pk", "name"):
        found[user_id][name] = of_groups[pk]
    return found


_USER = Given("user", BigIntegerField())
_SETS = Prepared(lambda: LimitSet.objects.concerning(user=_USER))
_GRANTS = Prepared(lambda: Grant.objects.active(Given("today", DateField())).filter(user=_USER))
