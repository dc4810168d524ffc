"""Limits of many people computed at once equal those of each, whoever else is asked about."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from portal.models import User
from quotas import changes
from quotas.limits import effective_of, effective_of_many, limits_of, limits_of_many
from quotas.models import Grant

pytestmark = [pytest.mark.django_db, pytest.mark.databases]


@pytest.fixture
def everybody(ada, bob, stan) -> list[User]:
    """People who each have something of their own, and something that has expired."""
    today = timezone.localdate()
    changes.set_own_limits(None, {"running": 4, "idle_days": 14})
    for name, person, figures in (("a", ada, {"builds": 9}), ("b", bob, {"idle_days": 0})):
        group = Group.objects.create(name=name)
        changes.set_own_limits(group, figures)
        person.groups.add(group)
    changes.set_own_limits(ada, {"projects": 3})
    for person, limit, value, days in (
        (ada, "projects", 50, -1),
        (ada, "max_cpu", 99, 0),
        (bob, "projects", 60, 3),
        (bob, "projects", 70, -3),
        (stan, "idle_days", 0, -1),
    ):
        until = today + timedelta(days=days)
        Grant.objects.create(user=person, limit=limit, value=value, until=until, reason="x")
    return [ada, bob, stan]


def test_limits_computed_together_equal_those_computed_alone(everybody):
    assert effective_of_many(everybody) == {user.pk: effective_of(user) for user in everybody}
    assert limits_of_many(everybody) == {user.pk: limits_of(user) for user in everybody}


def test_expired_grants_do_not_count_and_todays_do(everybody):
    ada, bob, stan = (limits_of_many(everybody)[user.pk] for user in everybody)
    assert (ada.projects, ada.max_cpu, ada.builds) == (3, 99, 9)
    assert (bob.projects, bob.idle_days) == (60, 0)
    assert (stan.projects, stan.idle_days, stan.running) == (5, 14, 4)


def test_a_subset_of_limits_gives_the_same_values(everybody):
    whole = effective_of_many(everybody)
    some = effective_of_many(everybody, ["idle_days", "projects"])
    for pk, found in some.items():
        assert found == {name: whole[pk][name] for name in ("projects", "idle_days")}
