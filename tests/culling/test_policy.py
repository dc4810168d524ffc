"""When a project expires, by the rule alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sessions.culling.policy import WARNING_PERIOD, deletes_at, idle_period

pytestmark = pytest.mark.databases

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
DAY, YEAR = timedelta(days=1), timedelta(days=365)


@pytest.mark.parametrize("days", [2, 7, 365, 36_500])
def test_project_expires_after_its_idle_days(days):
    assert deletes_at(NOW, None, days, NOW) == NOW + days * DAY


def test_limit_of_one_day_allows_half_a_day_before_the_warning():
    assert idle_period(1) == timedelta(hours=12)
    assert deletes_at(NOW, None, 1, NOW) == NOW + timedelta(hours=36)


def test_overdue_project_expires_after_a_full_warning():
    assert deletes_at(NOW - YEAR, None, 7, NOW) == NOW + WARNING_PERIOD


def test_announced_time_is_kept():
    assert deletes_at(NOW - YEAR, NOW + timedelta(hours=3), 7, NOW) == NOW + timedelta(hours=3)


@pytest.mark.parametrize("days", [0, 36_501, 1_000_000])
def test_zero_or_absurdly_many_days_mean_never(days):
    assert idle_period(days) is None
    assert deletes_at(NOW - YEAR, NOW, days, NOW) is None


def test_use_in_the_future_counts_as_now():
    assert deletes_at(NOW + YEAR, None, 7, NOW) == NOW + 7 * DAY
