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


def test_a_limit_is_over_when_its_time_has_passed(clocks):
    clocks.pass_by(9)
    assert not clocks.is_over(NOON, 10)
    clocks.pass_by(1)
    assert clocks.is_over(NOON, 10)


def test_setting_the_clock_forward_does_not_add_elapsed_time(clocks):
    clocks.pass_by(5)
    clocks.set(hours=1)
    assert clocks.elapsed.since(NOON) == timedelta(minutes=5)
    assert not clocks.is_over(NOON, 10)
    clocks.pass_by(5)
    assert clocks.is_over(NOON, 10)


def test_time_after_a_clock_change_is_measured_from_its_own_start(clocks):
    clocks.pass_by(10)
    clocks.set(hours=1)
    began = clocks.wall
    clocks.pass_by(3)
    assert clocks.elapsed.since(began) == timedelta(minutes=3)


def test_each_clock_jump_is_subtracted_for_what_began_before_it(clocks):
    clocks.set(hours=1)
    between = clocks.wall
    clocks.pass_by(2)
    clocks.set(days=1)
    clocks.pass_by(2)
    assert clocks.elapsed.since(between) == timedelta(minutes=4)
    assert clocks.elapsed.since(NOON) == timedelta(minutes=4)


def test_setting_the_clock_back_never_makes_elapsed_time_negative(clocks):
    clocks.set(hours=-1)
    assert clocks.elapsed.since(NOON) == timedelta()
    began = clocks.wall
    clocks.pass_by(10)
    assert clocks.is_over(began, 10)


def test_a_corrected_clock_leaves_elapsed_time_unchanged(clocks):
    clocks.pass_by(5)
    clocks.set(days=365)
    clocks.pass_by(2)
    clocks.set(days=-365)
    assert clocks.elapsed.since(NOON) == timedelta(minutes=7)
    began = clocks.wall
    clocks.pass_by(10)
    assert clocks.is_over(NOON, 17)
    assert clocks.elapsed.since(began) == timedelta(minutes=10)


def test_a_partly_corrected_clock_does_not_change_elapsed_time(clocks):
    clocks.pass_by(5)
    clocks.set(hours=3)
    clocks.set(hours=-1)
    assert clocks.elapsed.since(NOON) == timedelta(minutes=5)


def test_time_without_watch_does_not_count_at_once(clocks):
    """As after an outage of a week."""
    assert not clocks.is_over(NOON - timedelta(days=7), 10)
    clocks.pass_by(9)
    assert not clocks.is_over(NOON - timedelta(days=7), 10)
    clocks.pass_by(1)
    assert clocks.is_over(NOON - timedelta(days=7), 10)


def test_a_limit_of_days_is_over_within_an_hour_of_a_restart(clocks):
    clocks.pass_by(60)
    assert clocks.is_over(NOON - timedelta(days=1), 24 * 60)


def test_time_in_which_nobody_could_look_does_not_count(clocks):
    clocks.pass_by(4)
    clocks.elapsed.note_look(saw=True)
    for _minute in range(30):
        clocks.pass_by(1)
        clocks.elapsed.note_look(saw=False)
    clocks.pass_by(1)
    clocks.elapsed.note_look(saw=True)
    assert clocks.elapsed.since(NOON) == timedelta(minutes=4)
    clocks.pass_by(5)
    clocks.elapsed.note_look(saw=True)
    assert not clocks.is_over(NOON, 10)
    clocks.pass_by(1)
    assert clocks.is_over(NOON, 10)
    began = clocks.wall
    clocks.pass_by(10)
    assert clocks.is_over(began, 10)
