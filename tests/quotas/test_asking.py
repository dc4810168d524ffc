"""Requests for more: what may be asked for, who answers, and that each is answered once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import connection
from django.utils import timezone

from quotas import requests
from quotas.limits import limits_of
from quotas.models import Grant, LimitRequest, LimitSet, SupportBounds
from tests.making import in_days

pytestmark = [pytest.mark.django_db, pytest.mark.databases]


@pytest.fixture
def wish(ada) -> LimitRequest:
    return requests.submit(ada, "projects", 10, in_days(30), "A course.")


def state(wish: LimitRequest) -> str:
    wish.refresh_from_db()
    return wish.state


def test_a_granted_request_applies_until_its_last_day(ada, stan, wish):
    given = requests.grant(wish, stan, 10, in_days(30), "Have a good course.")
    assert limits_of(ada).projects == 10
    assert state(wish) == "granted"
    assert (wish.grant, wish.answered_by, wish.answer) == (given, stan, "Have a good course.")
    assert (given.given_by, given.reason) == (stan, "Have a good course.")
    Grant.objects.update(until=in_days(-1))
    assert limits_of(ada).projects == 5


def test_staff_may_grant_a_different_value_than_requested(ada, stan, wish):
    given = requests.grant(wish, stan, 7, in_days(10))
    assert limits_of(ada).projects == 7
    assert given.reason == "A course."
    assert state(wish) == "granted"
    assert wish.value == 10


def test_a_declined_request_changes_nothing_and_gives_a_reason(ada, stan, wish):
    with pytest.raises(ValidationError, match="Give a short reason"):
        requests.decline(wish, stan, "  ")
    requests.decline(wish, stan, "Five are enough for a course.")
    assert state(wish) == "declined"
    assert wish.answer == "Five are enough for a course."
    assert limits_of(ada).projects == 5
    assert not Grant.objects.exists()


def test_a_withdrawn_request_cannot_be_answered(ada, stan, wish):
    requests.withdraw(wish, ada)
    assert state(wish) == "withdrawn"
    with pytest.raises(ValidationError, match="withdrawn"):
        requests.grant(wish, stan, 10, in_days(30))
    with pytest.raises(ValidationError, match="withdrawn"):
        requests.decline(wish, stan, "No.")
    assert state(wish) == "withdrawn"
    assert not Grant.objects.exists()


def test_an_answered_request_cannot_be_withdrawn(ada, stan, wish):
    requests.grant(wish, stan, 10, in_days(30))
    with pytest.raises(
        ValidationError, match="stan has already answered this request: it is granted"
    ):
        requests.withdraw(wish, ada)
    assert limits_of(ada).projects == 10


def test_nobody_may_withdraw_somebody_elses_request(bob, wish):
    with pytest.raises(ValidationError):
        requests.withdraw(wish, bob)
    assert state(wish) == "open"


def test_only_one_request_per_limit_may_be_open(ada, stan, wish):
    with pytest.raises(ValidationError, match="Withdraw that request before you make another"):
        requests.submit(ada, "projects", 20, in_days(30), "More.")
    requests.submit(ada, "builds", 20, in_days(30), "More.")
    requests.withdraw(wish, ada)
    again = requests.submit(ada, "projects", 20, in_days(30), "More.")
    assert LimitRequest.objects.open().count() == 2
    requests.decline(again, stan, "No.")
    requests.submit(ada, "projects", 9, in_days(30), "A little more.")


@pytest.mark.parametrize(
    ("limit", "value", "days", "field"),
    [
        ("projects", 5, 30, "value"),
        ("projects", 4, 30, "value"),
        ("projects", 6.5, 30, "value"),
        ("projects", float("nan"), 30, "value"),
        ("projects", float("inf"), 30, "value"),
        ("max_cpu", float("inf"), 30, "value"),
        ("max_cpu", 1e9, 30, "value"),
        ("projects", 6, 0, "until"),
        ("projects", 6, -1, "until"),
        ("projects", 6, 367, "until"),
        ("max_gpu", 1, 30, "limit"),
        ("no_such_limit", 1, 30, "limit"),
    ],
)
def test_an_invalid_request_is_refused_naming_the_field(ada, settings, limit, value, days, field):
    settings.PORTAL_BACKEND = "local"
    with pytest.raises(ValidationError) as refusal:
        requests.submit(ada, limit, value, in_days(days), "Why not.")
    assert list(refusal.value.message_dict) == [field]
    assert not LimitRequest.objects.exists()


@pytest.mark.parametrize("days", [1, 366])
def test_a_request_may_last_from_1_to_366_days(ada, days):
    assert requests.submit(ada, "max_cpu", 16.5, in_days(days), "Why not.").pk


def test_a_request_needs_a_reason(ada):
    with pytest.raises(ValidationError) as refusal:
        requests.submit(ada, "projects", 6, in_days(30), " \n ")
    assert list(refusal.value.message_dict) == ["why"]


def test_the_number_of_requests_per_day_is_limited(ada):
    for _time in range(requests.MAX_REQUESTS_PER_DAY):
        requests.withdraw(requests.submit(ada, "projects", 9, in_days(30), "More."), ada)
    with pytest.raises(ValidationError, match="Ask again tomorrow"):
        requests.submit(ada, "projects", 9, in_days(30), "More.")
    LimitRequest.objects.update(created=timezone.now() - timedelta(days=2))
    requests.submit(ada, "projects", 9, in_days(30), "More.")


def test_people_without_the_permission_may_not_answer(ada, bob, vera, wish):
    for nobody in (ada, bob, vera):
        with pytest.raises(PermissionDenied):
            requests.grant(wish, nobody, 10, in_days(30))
        with pytest.raises(PermissionDenied):
            requests.decline(wish, nobody, "No.")
    assert state(wish) == "open"


def test_support_may_grant_only_within_the_bounds(ada, sue, wish):
    SupportBounds(projects=8, days=30).save()
    for value, days in ((9, 30), (8, 31)):
        with pytest.raises(ValidationError):
            requests.grant(wish, sue, value, in_days(days))
        assert state(wish) == "open"
    requests.grant(wish, sue, 8, in_days(30))
    assert limits_of(ada).projects == 8


def test_support_may_not_grant_a_limit_without_a_bound(ada, sue, wish):
    SupportBounds(running=5).save()
    with pytest.raises(ValidationError, match="Ask an operator"):
        requests.grant(wish, sue, 10, in_days(30))
    assert state(wish) == "open"


def test_a_grant_below_the_current_limit_is_refused(ada, stan, wish):
    LimitSet.objects.create(user=ada, projects=12)
    with pytest.raises(ValidationError, match="more than your present 12"):
        requests.grant(wish, stan, 10, in_days(30))
    assert state(wish) == "open"
    assert not Grant.objects.exists()


def test_a_long_answer_is_truncated_to_the_grants_reason(ada, stan, wish):
    given = requests.grant(wish, stan, 10, in_days(30), "word " * 390)
    assert len(given.reason) == 500
    assert state(wish) == "granted"
    assert len(wish.answer) == 1949


def test_answers_are_unseen_until_the_requester_marks_them(ada, bob, stan, wish):
    assert not LimitRequest.objects.unseen_answers_for(ada)
    requests.decline(wish, stan, "No.")
    assert list(LimitRequest.objects.unseen_answers_for(ada)) == [wish]
    assert requests.mark_seen(bob) == 0
    assert list(LimitRequest.objects.unseen_answers_for(ada)) == [wish]
    assert requests.mark_seen(ada) == 1
    assert not LimitRequest.objects.unseen_answers_for(ada)


@pytest.mark.django_db(transaction=True)
def test_exactly_one_of_several_concurrent_answers_wins(ada, stan, root):
    wish = requests.submit(ada, "projects", 10, in_days(30), "A course.")

    def answer(number: int) -> str:
        try:
            by = root if number % 2 else stan
            if number % 3:
                requests.grant(wish, by, 8 + number, in_days(30), "Yes.")
            else:
                requests.decline(wish, by, "No.")
        except ValidationError as refusal:
            return refusal.messages[0]
        finally:
            connection.close()
        return "answered"

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(answer, range(16)))
    assert said.count("answered") == 1
    assert all("has already answered this request" in each for each in said if each != "answered")
    assert Grant.objects.count() == (1 if state(wish) == "granted" else 0)


@pytest.mark.django_db(transaction=True)
def test_one_of_several_concurrent_requests_is_accepted(ada):
    def ask(number: int) -> bool:
        try:
            return bool(requests.submit(ada, "projects", 10 + number, in_days(30), "A course."))
        except ValidationError:
            return False
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(ask, range(16))) == 1
    assert LimitRequest.objects.count() == 1
