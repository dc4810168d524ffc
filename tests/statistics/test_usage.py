"""CPU-, memory- and GPU-hours: guaranteed resources times the hours in which a notebook was
ready.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from portal.pages.usage import template_context
from sessions.states import SessionState
from sessions.statistics import usage
from sessions.statistics.usage import GroupBy, Hours, Month, month_range
from tests.past_sessions import ran

pytestmark = [pytest.mark.django_db, pytest.mark.databases]

OCTOBER, NOVEMBER = Month(2026, 10), Month(2026, 11)


def at(month: int, day: int, hour: int = 0, minute: int = 0) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def of(user, *months: Month) -> list[Hours]:
    found = usage.monthly_hours(user, months)
    return [
        Hours(*(round(each, 4) for each in (h.cpu, h.memory_gb, h.gpu))) for h in found.values()
    ]


@pytest.fixture(autouse=True)
def late_enough(monkeypatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: at(12, 1) - timedelta(seconds=1))


@pytest.fixture
def berlin(settings):
    settings.TIME_ZONE = "Europe/Berlin"


def test_usage_is_the_guaranteed_resources_times_the_ready_time(ada):
    ran(ada, at(11, 3, 10), at(11, 3, 13, 30), gpu=1)
    ran(ada, at(11, 4, 10), at(11, 4, 10, 30), cpu_request=0.5, memory_request_gb=1)
    assert of(ada, NOVEMBER) == [Hours(2 * 3.5 + 0.25, 4 * 3.5 + 0.5, 3.5)]


def test_the_time_before_a_notebook_is_ready_does_not_count(ada):
    ran(ada, at(11, 3, 10), at(11, 3, 11), created=at(11, 3, 4))
    assert of(ada, NOVEMBER) == [Hours(2, 4, 0)]


def test_a_launch_that_failed_before_it_was_ready_uses_nothing(ada):
    ran(ada, None, at(11, 3, 11), created=at(11, 3, 4), state=SessionState.FAILED)
    assert of(ada, NOVEMBER) == [Hours(0, 0, 0)]
    assert list(usage.usage_rows(GroupBy.PERSON, [NOVEMBER])) == []


def test_a_notebook_that_fails_counts_until_it_failed(ada):
    ran(ada, at(11, 3, 10), at(11, 3, 11), state=SessionState.FAILED, code="spawn.crashed")
    assert of(ada, NOVEMBER) == [Hours(2, 4, 0)]


def test_a_running_notebook_counts_until_now(ada, monkeypatch):
    ran(ada, at(11, 3, 10), None)
    monkeypatch.setattr(timezone, "now", lambda: at(11, 3, 14))
    assert of(ada, NOVEMBER) == [Hours(8, 16, 0)]
    monkeypatch.setattr(timezone, "now", lambda: at(11, 3, 15))
    assert of(ada, NOVEMBER) == [Hours(10, 20, 0)]


def test_a_run_across_two_months_is_split_between_them(ada):
    ran(ada, at(10, 31, 22), at(11, 1, 3))
    assert of(ada, Month(2026, 9), OCTOBER, NOVEMBER, Month(2026, 12)) == [
        Hours(), Hours(4, 8, 0), Hours(6, 12, 0), Hours(),
    ]  # fmt: skip


def test_a_run_over_many_months_fills_those_in_between(ada):
    ran(ada, at(8, 31), at(11, 1, 1), cpu_request=1)
    hours = [each.cpu for each in of(ada, *month_range(Month(2026, 8), NOVEMBER))]
    assert hours == [24, 30 * 24, 31 * 24, 1]


def test_months_begin_at_midnight_in_the_portals_time_zone(ada, berlin):
    ran(ada, at(10, 31, 22), at(11, 1, 3), cpu_request=1)  # midnight there is 23:00 here
    assert [each.cpu for each in of(ada, OCTOBER, NOVEMBER)] == [1, 4]


def test_a_month_with_a_daylight_saving_change_has_its_real_hours(ada, berlin):
    ran(ada, at(2, 1), at(11, 15), cpu_request=1)
    march, october = of(ada, Month(2026, 3), OCTOBER)
    assert (march.cpu, october.cpu) == (31 * 24 - 1, 31 * 24 + 1)


def test_a_future_month_has_no_usage(ada):
    ran(ada, at(11, 3, 10), None)
    assert of(ada, Month(2026, 12)) == [Hours()]
    assert list(usage.usage_rows(GroupBy.PERSON, [Month(2026, 12)])) == []


def test_each_person_has_their_own_usage(ada, bob):
    ran(ada, at(11, 3, 10), at(11, 3, 11))
    ran(bob, at(11, 3, 10), at(11, 3, 13))
    assert (of(ada, NOVEMBER), of(bob, NOVEMBER)) == ([Hours(2, 4, 0)], [Hours(6, 12, 0)])
    found = list(usage.usage_rows(GroupBy.PERSON, [OCTOBER, NOVEMBER]))
    assert [(f"{each.month}", each.group, each.sessions) for each in found] == [
        ("2026-11", ("ada",), 1),
        ("2026-11", ("bob",), 1),
    ]
    assert [line.group for line in usage.top_users(NOVEMBER, 1)] == [("bob",)]


def test_usage_is_summed_by_repository_group_and_both(ada, bob):
    physics, maths = (Group.objects.create(name=name) for name in ("physics", "maths"))
    ada.groups.add(physics, maths)
    bob.groups.add(physics)
    ran(ada, at(11, 3, 10), at(11, 3, 11), repository="a/a")
    ran(ada, at(11, 3, 10), at(11, 3, 11), repository="b/b")
    ran(bob, at(11, 3, 10), at(11, 3, 11), repository="a/a")
    cpu = {
        by: {x.group: round(x.hours.cpu, 4) for x in usage.usage_rows(by, [NOVEMBER])}
        for by in GroupBy
    }
    assert cpu[GroupBy.REPOSITORY] == {("a/a",): 4, ("b/b",): 2}
    assert cpu[GroupBy.GROUP] == {("physics",): 6, ("maths",): 4}
    assert cpu[GroupBy.ALL] == {("ada", "a/a"): 2, ("ada", "b/b"): 2, ("bob", "a/a"): 2}


def test_people_without_a_group_have_a_line_of_their_own(ada):
    ran(ada, at(11, 3, 10), at(11, 3, 11))
    assert [line.group for line in usage.usage_rows(GroupBy.GROUP, [NOVEMBER])] == [("",)]


@pytest.mark.parametrize("count", [1, 12])
def test_the_number_of_queries_does_not_grow_with_the_rows(ada, django_assert_num_queries, count):
    for _time in range(count):
        ran(ada, at(10, 31, 22), at(11, 1, 3))
    with django_assert_num_queries(1):
        usage.monthly_hours(ada, list(month_range(Month(2026, 1), NOVEMBER)))
    with django_assert_num_queries(2):
        list(usage.usage_rows(GroupBy.ALL, [OCTOBER, NOVEMBER]))


def test_the_account_page_shows_the_last_six_months(ada):
    ran(ada, timezone.now() - timedelta(hours=2), timezone.now() - timedelta(hours=1))
    shown = template_context(ada)
    assert len(shown["usage_months"]) == 6
    assert all(str(chart.svg).count('class="label') == 6 for chart in shown["usage"])


def test_months_are_formatted_parsed_and_added():
    assert f"{Month(2026, 3)}" == "2026-03"
    assert Month.parse("2026-03") == Month(2026, 3)
    for nonsense in (
        "",
        "2026",
        "2026-13",
        "2026-00",
        "0000-01",
        "2026-3",
        "2026-03-01",
        "٢٠٢٦-٠٣",
    ):
        assert Month.parse(nonsense) is None
    assert Month(2026, 1).plus(-1) == Month(2025, 12)
    assert Month(2026, 12).plus(1) == Month(2027, 1)
    assert Month(2026, 11).end - Month(2026, 11).begin == timedelta(days=30)
    assert list(month_range(Month(2026, 2), Month(2026, 1))) == []
