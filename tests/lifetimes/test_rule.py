"""When a project expires, by the rule alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sessions.culling.policy import WARNING_PERIOD, deletes_at, idle_period

pytestmark = pytest.mark.databases

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
DAY, YEAR = timedelta(days=1), timedelta(days=365)


@pytest.mark.parametrize("days", [2, 7, 365, 36_500])
def test_it_goes_when_its_days_have_passed(days):
    assert deletes_at(NOW, None, days, NOW) == NOW + days * DAY


def test_who_has_a_single_day_is_left_alone_for_half_of_it():
    assert idle_period(1) == timedelta(hours=12)
    assert deletes_at(NOW, None, 1, NOW) == NOW + timedelta(hours=36)


def test_one_that_is_overdue_goes_after_a_full_warning():
    assert deletes_at(NOW - YEAR, None, 7, NOW) == NOW + WARNING_PERIOD


def test_what_was_announced_holds():
    assert deletes_at(NOW - YEAR, NOW + timedelta(hours=3), 7, NOW) == NOW + timedelta(hours=3)


@pytest.mark.parametrize("days", [0, 36_501, 1_000_000])
def test_zero_and_what_nobody_lives_to_see_is_never(days):
    assert idle_period(days) is None
    assert deletes_at(NOW - YEAR, NOW, days, NOW) is None


def test_use_that_lies_ahead_counts_as_now():
    assert deletes_at(NOW + YEAR, None, 7, NOW) == NOW + 7 * DAY
