"""Answers of notebook servers are interpreted safely, whatever they contain."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.culling.activity import KernelActivity, parse_kernels

NOW = datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
EARLIER = NOW - timedelta(hours=5)
TEXT = "2026-03-28T20:30:00.000000Z"


def kernel(state: str = "idle", connections: object = 1, last: object = TEXT) -> dict[str, object]:
    return {"execution_state": state, "connections": connections, "last_activity": last}


def understood(*kernels: object, unattended: bool = False) -> KernelActivity | None:
    return parse_kernels(json.dumps(kernels).encode(), NOW, unattended=unattended)


def test_without_kernels_nothing_is_active():
    assert understood() == KernelActivity(busy=False, last_active=None)


def test_a_busy_kernel_is_active_now():
    assert understood(kernel("busy"), kernel()) == KernelActivity(busy=True, last_active=NOW)


def test_new_connection_to_an_idle_kernel_is_no_activity():
    assert understood(kernel(last="2026-03-29T01:29:59Z")) == KernelActivity(
        busy=False, last_active=None
    )


def test_busy_kernel_without_connections_is_no_activity():
    assert understood(kernel("busy", 0)) == KernelActivity(busy=True, last_active=None)


def test_busy_kernel_without_connections_counts_when_configured():
    assert understood(kernel("busy", 0), unattended=True) == KernelActivity(
        busy=True, last_active=NOW
    )


def test_idle_kernel_counts_by_its_last_activity_when_configured():
    latest = understood(kernel(last="2026-03-01T00:00:00Z"), kernel(), unattended=True)
    assert latest == KernelActivity(busy=False, last_active=EARLIER)


@pytest.mark.parametrize("text", ["2026-03-28T20:30:00", "2026-03-28T21:30:00+01:00"])
def test_time_may_have_any_zone_or_none(text):
    assert understood(kernel(last=text), unattended=True).last_active == EARLIER


@pytest.mark.parametrize("text", ["2026-03-29T03:00:00Z", "9999-12-31T23:59:59Z"])
def test_time_in_the_future_counts_as_now(text):
    assert understood(kernel(last=text), unattended=True).last_active == NOW


@pytest.mark.parametrize(
    "last",
    [
        None,
        7,
        1e999,
        True,
        [],
        {},
        "",
        "soon",
        "9999-12-31T23:59:59-23:00",
        "0001-01-01T00:00+23:00",
    ],
)
def test_invalid_time_is_ignored(last):
    assert understood(kernel(last=last), unattended=True) == KernelActivity(
        busy=False, last_active=None
    )


@pytest.mark.parametrize("connections", [None, "1", -1, [1], 1e999, float("nan")])
def test_invalid_number_of_connections_counts_as_none(connections):
    assert understood(kernel("busy", connections)).last_active is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"{}",
        b"[1]",
        b"[[]]",
        b"[" * 100_000,
        b'[{"a":' * 50_000,
        b"1" * 100_000,
        b"\xff\xfe",
        b"<html>",
        b'{"message": "Forbidden"}',
    ],
)
def test_body_that_is_no_list_of_kernels_is_no_answer(body):
    assert parse_kernels(body, NOW, unattended=True) is None


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "execution_state": ANYTHING | st.just("busy"),
        "connections": ANYTHING,
        "last_activity": ANYTHING | st.datetimes().map(str),
    },
)


@given(st.lists(FIELDS) | ANYTHING, st.booleans())
def test_last_activity_is_never_later_than_now(answer, unattended):
    activity = parse_kernels(json.dumps(answer).encode(), NOW, unattended=unattended)
    assert activity is None or activity.last_active is None or activity.last_active <= NOW
