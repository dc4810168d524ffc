"""The gate before an outside service: few wait for it, and nobody for one that does not answer."""

from __future__ import annotations

import pytest

from portal.lib.gate import Gate, GateClosed


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def gate(clock: Clock) -> Gate:
    return Gate("the service", pause=5, max_waiting=2, max_seconds=1, clock=clock)


def fail(gate: Gate, error: type[Exception] = TimeoutError) -> None:
    with pytest.raises(error), gate.guard(TimeoutError):
        raise error


def is_closed(gate: Gate) -> bool:
    try:
        gate._enter()
    except GateClosed:
        return True
    gate._waiting -= 1
    return False


def test_no_more_than_the_maximum_get_through_at_once(gate):
    with gate.guard(TimeoutError), gate.guard(TimeoutError):
        assert is_closed(gate)
    assert not is_closed(gate)


def test_nobody_gets_through_for_a_while_after_a_call_without_an_answer(gate, clock):
    fail(gate)
    assert is_closed(gate)
    clock.now += 4.9
    assert is_closed(gate)
    clock.now += 0.2
    assert not is_closed(gate)


def test_only_one_tries_whether_the_service_is_back(gate, clock):
    fail(gate)
    clock.now += 6
    with gate.guard(TimeoutError):
        assert is_closed(gate)
    assert not is_closed(gate)


def test_a_service_that_is_still_away_closes_the_gate_again(gate, clock):
    fail(gate)
    clock.now += 6
    fail(gate)
    clock.now += 4
    assert is_closed(gate)


def test_an_answer_that_came_too_late_counts_as_none(gate, clock):
    with gate.guard(TimeoutError):
        clock.now += 2
    assert is_closed(gate)


def test_other_errors_are_answers(gate):
    fail(gate, ValueError)
    assert not is_closed(gate)


def test_each_change_is_logged_once(gate, clock, caplog):
    fail(gate)
    clock.now += 6
    fail(gate)
    clock.now += 6
    for _each in range(2):
        with gate.guard(TimeoutError):
            pass
    assert [record.getMessage() for record in caplog.records] == [
        "going on without the service: TimeoutError",
        "the service answers again",
    ]
