"""Elapsed time is distinguished from a clock that was set."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from sessions.clock import SteadyClock

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Clocks:
    """The machine's clock, and a monotonic one."""

    def __init__(self) -> None:
        self.wall, self.steady = NOON, 1000.0
        self.elapsed = SteadyClock(lambda: self.wall, lambda: self.steady)

    def pass_by(self, minutes: int) -> None:
        """Let this many minutes pass, with a look in each."""
        for _minute in range(minutes):
            self.wall += timedelta(minutes=1)
            self.steady += 60
            self.elapsed.detect_jump()

    def set(self, **change: int) -> None:
        self.wall += timedelta(**change)
        self.elapsed.detect_jump()

    def is_over(self, since: datetime, minutes: int) -> bool:
        return self.elapsed.has_elapsed(since, 60 * minutes)


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


def test_time_that_passes_is_over_at_its_end(clocks):
    clocks.pass_by(9)
    assert not clocks.is_over(NOON, 10)
    clocks.pass_by(1)
    assert clocks.is_over(NOON, 10)


def test_a_clock_that_is_set_forward_makes_nothing_older(clocks):
    clocks.pass_by(5)
    clocks.set(hours=1)
    assert clocks.elapsed.since(NOON) == timedelta(minutes=5)
    assert not clocks.is_over(NOON, 10)
    clocks.pass_by(5)
    assert clocks.is_over(NOON, 10)


def test_what_begins_after_the_clock_was_set_has_its_own_age(clocks):
    clocks.pass_by(10)
    clocks.set(hours=1)
    began = clocks.wall
    clocks.pass_by(3)
    assert clocks.elapsed.since(began) == timedelta(minutes=3)


def test_each_jump_counts_for_what_was_there_before_it(clocks):
    clocks.set(hours=1)
    between = clocks.wall
    clocks.pass_by(2)
    clocks.set(days=1)
    clocks.pass_by(2)
    assert clocks.elapsed.since(between) == timedelta(minutes=4)
    assert clocks.elapsed.since(NOON) == timedelta(minutes=4)


def test_a_clock_that_is_set_back_makes_nothing_younger_than_nothing(clocks):
    clocks.set(hours=-1)
    assert clocks.elapsed.since(NOON) == timedelta()
    began = clocks.wall
    clocks.pass_by(10)
    assert clocks.is_over(began, 10)


def test_a_clock_that_is_set_right_again_is_as_if_nothing_had_been(clocks):
    clocks.pass_by(5)
    clocks.set(days=365)
    clocks.pass_by(2)
    clocks.set(days=-365)
    assert clocks.elapsed.since(NOON) == timedelta(minutes=7)
    began = clocks.wall
    clocks.pass_by(10)
    assert clocks.is_over(NOON, 17)
    assert clocks.elapsed.since(began) == timedelta(minutes=10)


def test_a_clock_that_is_set_back_by_less_is_still_ahead_by_the_rest(clocks):
    clocks.pass_by(5)
    clocks.set(hours=3)
    clocks.set(hours=-1)
    assert clocks.elapsed.since(NOON) == timedelta(minutes=5)


def test_what_was_not_watched_is_not_over_at_once(clocks):
    """As after an outage of a week."""
    assert not clocks.is_over(NOON - timedelta(days=7), 10)
    clocks.pass_by(9)
    assert not clocks.is_over(NOON - timedelta(days=7), 10)
    clocks.pass_by(1)
    assert clocks.is_over(NOON - timedelta(days=7), 10)


def test_a_limit_of_days_does_not_wait_for_days_after_each_restart(clocks):
    clocks.pass_by(60)
    assert clocks.is_over(NOON - timedelta(days=1), 24 * 60)
