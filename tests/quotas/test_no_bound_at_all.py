"""0 days of inactivity means never, and is more than any other figure, wherever figures are
compared.
"""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.utils import timezone

from quotas import changes, requests
from quotas.fields import FIELDS, Source, ValuesByLimit, combine
from quotas.limits import limits_of, lowest_limit
from quotas.models import Grant, SupportBounds

pytestmark = pytest.mark.databases

IDLE = "idle_days"


def soon() -> date:
    return timezone.localdate() + timedelta(days=3)


def in_force(
    *,
    default: float = 7,
    site: ValuesByLimit | None = None,
    groups: dict[str, float] | None = None,
    own: ValuesByLimit | None = None,
    granted: float | None = None,
) -> tuple[float, str]:
    """Return the days in force, and their source."""
    of_groups = {name: {IDLE: days} for name, days in (groups or {}).items()}
    grants = [] if granted is None else [Grant(limit=IDLE, value=granted, until=date.max)]
    found = combine({IDLE: default}, site or {}, of_groups, own or {}, grants)[IDLE]
    return found.value, found.group or found.source


@pytest.mark.parametrize(
    ("groups", "found"),
    [
        ({"forever": 0, "guests": 30}, (0, "forever")),
        ({"a": 30, "forever": 0}, (0, "forever")),
        ({"forever": 0}, (0, "forever")),
        ({"a": 3, "guests": 30}, (30, "guests")),
    ],
)
def test_never_is_the_most_generous_group_limit(groups, found):
    assert in_force(groups=groups) == found


def test_a_more_specific_limit_wins_over_never():
    assert in_force(site={IDLE: 0}, groups={"guests": 30}) == (30, "guests")
    assert in_force(groups={"forever": 0}, own={IDLE: 2}) == (2, Source.PERSON)
    assert in_force(groups={"guests": 30}, own={IDLE: 0}) == (0, Source.PERSON)
    assert in_force(site={IDLE: 0}) == (0, Source.SITE)


def test_a_grant_of_never_raises_any_limit_and_none_raises_never():
    assert in_force(granted=0) == (0, Source.GRANT)
    assert in_force(groups={"guests": 365}, granted=0) == (0, Source.GRANT)
    assert in_force(groups={"forever": 0}, granted=365) == (0, "forever")
    assert in_force(own={IDLE: 0}, granted=365) == (0, Source.PERSON)


def test_a_grant_that_raises_nothing_is_not_the_source():
    assert in_force(granted=7) == (7, Source.DEFAULT)
    assert in_force(granted=6) == (7, Source.DEFAULT)
    assert in_force(groups={"forever": 0}, granted=0) == (0, "forever")


def test_zero_is_the_least_value_of_every_other_limit():
    assert [name for name, field in FIELDS.items() if field.amount(0) != 0] == [IDLE]
    assert FIELDS[IDLE].amount(1) == 1
    for name in FIELDS.keys() - {IDLE}:
        groups = {"none": {name: 0}, "some": {name: 1}}
        assert combine({name: 5}, {}, groups, {}, [])[name].value == 1


@pytest.mark.django_db
def test_a_member_of_a_group_with_never_has_never(ada):
    for name, days in (("guests", 30), ("forever", 0)):
        group = Group.objects.create(name=name)
        changes.set_own_limits(group, {IDLE: days})
        ada.groups.add(group)
    assert limits_of(ada).idle_days == 0


@pytest.mark.django_db
def test_support_may_not_grant_never_if_their_bound_is_in_days(sue, ada):
    SupportBounds.objects.create(idle_days=100, days=30)
    with pytest.raises(ValidationError) as refusal:
        changes.validate_grant(sue, IDLE, 0, soon(), [ada])
    assert list(refusal.value.message_dict) == ["value"]
    changes.validate_grant(sue, IDLE, 100, soon(), [ada])
    SupportBounds.objects.update(idle_days=0)
    for days in (0, 100_000):
        changes.validate_grant(sue, IDLE, days, soon(), [ada])


@pytest.mark.django_db
def test_never_can_be_requested_and_nothing_exceeds_it(ada):
    requests.submit(ada, IDLE, 0, soon(), "A long course.")
    changes.set_own_limits(ada, {IDLE: 0})
    for days in (0, 365):
        with pytest.raises(ValidationError, match="It must be more"):
            requests.submit(ada, IDLE, days, soon(), "Longer.")


@pytest.mark.django_db
def test_never_does_not_count_as_the_lowest_limit(ada, bob):
    """By which is looked for projects that may be due."""
    changes.set_own_limits(None, {IDLE: 0})
    assert lowest_limit(IDLE) == 7
    changes.set_own_limits(ada, {IDLE: 0})
    changes.set_own_limits(bob, {IDLE: 3})
    assert lowest_limit(IDLE) == 3
