"""A person's limits: own before group before site before default, raised by grants for a time."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.utils import timezone

from quotas import changes
from quotas.fields import FIELDS, Source
from quotas.limits import defaults, effective_of, effective_of_many, limits_of
from quotas.models import Grant, LimitSet
from sessions import lifecycle
from sessions.errors import QuotaExceeded

pytestmark = [pytest.mark.django_db, pytest.mark.databases]


@pytest.fixture
def at(monkeypatch, settings):
    """Return a function that moves the portal's clock, which is in Berlin."""
    settings.TIME_ZONE = "Europe/Berlin"

    def move(moment: str) -> None:
        now = datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo("Europe/Berlin"))
        monkeypatch.setattr(timezone, "now", lambda: now)

    return move


def group(name: str, **figures: float) -> Group:
    made = Group.objects.create(name=name)
    changes.set_own_limits(made, figures)
    return made


def test_the_portals_defaults_apply_when_nothing_is_set(ada):
    found = effective_of(ada)
    assert {name: each.value for name, each in found.items()} == defaults()
    assert {each.source for each in found.values()} == {Source.DEFAULT}
    assert list(found) == list(FIELDS)


def test_the_most_specific_limit_wins_and_unset_ones_are_inherited(ada):
    changes.set_own_limits(None, {"projects": 7, "running": 3})
    assert effective_of(ada)["projects"].source == Source.SITE
    ada.groups.add(group("physics", projects=9))
    assert (limits_of(ada).projects, limits_of(ada).running) == (9, 3)
    assert effective_of(ada)["projects"].group == "physics"
    changes.set_own_limits(ada, {"projects": 2})
    own = effective_of(ada)["projects"]
    assert (own.value, own.source, own.inherited, own.own) == (2, Source.PERSON, 9, 2)
    changes.set_own_limits(ada, {"projects": None})
    assert limits_of(ada).projects == 9


def test_each_limit_comes_from_the_most_generous_group(ada):
    ada.groups.add(group("physics", projects=9, max_gpu=1), group("maths", projects=6, max_gpu=4))
    assert (limits_of(ada).projects, limits_of(ada).max_gpu) == (9, 4)
    assert effective_of(ada)["max_gpu"].group == "maths"


def test_a_group_limit_may_be_lower_than_the_sites(ada):
    changes.set_own_limits(None, {"projects": 7})
    ada.groups.add(group("guests", projects=0))
    assert limits_of(ada).projects == 0


def test_one_persons_limits_do_not_affect_another(ada, bob):
    changes.set_own_limits(ada, {"projects": 1})
    Grant.objects.create(user=ada, limit="running", value=50, until=timezone.localdate())
    assert {name: each.value for name, each in effective_of(bob).items()} == defaults()


def test_a_grant_raises_a_limit_and_never_lowers_it(ada):
    today = timezone.localdate()
    changes.set_own_limits(ada, {"projects": 8})
    Grant.objects.create(user=ada, limit="projects", value=6, until=today)
    assert effective_of(ada)["projects"].source == Source.PERSON
    Grant.objects.create(user=ada, limit="projects", value=20, until=today)
    found = effective_of(ada)["projects"]
    assert (found.value, found.source, found.until, found.own) == (20, Source.GRANT, today, 8)


def test_a_grant_lasts_to_the_end_of_its_day_in_the_portals_time_zone(ada, at):
    Grant.objects.create(user=ada, limit="projects", value=20, until=date(2030, 3, 31))
    at("2030-03-31 23:59:59")  # 21:59 of the same day by UTC
    assert limits_of(ada).projects == 20
    at("2030-04-01 00:00")  # by UTC, still the day before
    assert limits_of(ada).projects == 5
    assert Grant.objects.count() == 1


def test_a_changed_limit_applies_at_the_next_launch(ada, backend):
    lifecycle.launch(ada, "github.com/ada/flowers")
    changes.set_own_limits(ada, {"projects": 1})
    with pytest.raises(QuotaExceeded):
        lifecycle.launch(ada, "github.com/ada/flowers")
    changes.set_own_limits(ada, {"projects": 2})
    lifecycle.launch(ada, "github.com/ada/flowers")


def test_an_expired_grant_does_not_apply_at_the_next_launch(ada, backend, at):
    changes.set_own_limits(ada, {"projects": 0})
    Grant.objects.create(user=ada, limit="projects", value=2, until=date(2030, 5, 1))
    at("2030-05-01 20:00")
    lifecycle.launch(ada, "github.com/ada/flowers")
    at("2030-05-02 08:00")
    with pytest.raises(QuotaExceeded):
        lifecycle.launch(ada, "github.com/ada/flowers")


@pytest.mark.parametrize("value", [-1, "a", 1_000_001, float("nan"), float("inf"), 1.5])
def test_an_invalid_value_is_refused_and_changes_nothing(ada, value):
    with pytest.raises(ValidationError) as refusal:
        changes.set_own_limits(ada, {"running": 2, "projects": value})
    assert list(refusal.value.message_dict) == ["projects"]
    assert not LimitSet.objects.exists()


def test_clearing_a_limit_that_was_never_set_leaves_no_row(ada):
    changes.set_own_limits(ada, {"projects": None})
    assert not LimitSet.objects.exists()


def test_the_number_of_queries_does_not_grow_with_the_people(ada, bob, stan, make_count):
    people = [ada, bob, stan]
    for number, user in enumerate(people):
        user.groups.add(group(f"group {number}", projects=number))
        changes.set_own_limits(user, {"running": number})
        until = timezone.localdate() + timedelta(days=1)
        Grant.objects.create(user=user, limit="builds", value=9, until=until)
    assert make_count(lambda: effective_of_many(people)) == 3
    assert make_count(lambda: effective_of_many(people[:1])) == 3


@pytest.fixture
def make_count(django_assert_max_num_queries):
    def count(act) -> int:
        with django_assert_max_num_queries(50) as captured:
            act()
        return len(captured)

    return count


def test_a_cpu_limit_too_small_for_a_container_is_refused(ada):
    with pytest.raises(ValidationError):
        changes.set_own_limits(ada, {"max_cpu": 0.0001})
    changes.set_own_limits(ada, {"max_gpu": 0, "max_cpu": 0.001})
    assert limits_of(ada).max_cpu == 0.001
