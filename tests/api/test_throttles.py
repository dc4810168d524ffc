"""Clients that ask too often are told when to retry; nobody else notices."""

from __future__ import annotations

import time

import pytest
from django.test import Client

from sessions.models import Project
from tests.api.conftest import REPOSITORY, post
from tests.making import with_token

pytestmark = pytest.mark.django_db

ME = "/api/v1/me/"


class Clock:
    """Stands still at the beginning of a minute until it is moved on."""

    def __init__(self) -> None:
        self.now = 60.0 * (time.time() // 60)

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("sessions.api.throttles.time.time", clock)
    return clock


@pytest.fixture(autouse=True)
def rates(settings) -> None:
    settings.PORTAL_API_RATE = 5
    settings.PORTAL_API_CHANGE_RATE = 3
    settings.PORTAL_API_STRANGER_RATE = 4


def test_the_answer_says_when_to_come_again(ada, clock):
    api = with_token(ada)
    clock.now += 20
    assert {api.get(ME).status_code for _time in range(5)} == {200}
    answer = api.get(ME)
    assert (answer.status_code, answer.json()["code"]) == (429, "throttled")
    assert answer.headers["Retry-After"] == "40"
    assert "Try again in 40 seconds." in answer.json()["detail"]
    clock.now += 70
    assert api.get(ME).status_code == 200


def test_half_of_the_minute_before_counts_when_half_of_this_one_is_over(ada, clock):
    api = with_token(ada)
    for _time in range(4):
        api.get(ME)
    clock.now += 90
    assert [api.get(ME).status_code for _time in range(4)] == [200, 200, 200, 429]


def test_all_tokens_of_a_person_count_together_and_nobody_elses(ada, bob):
    one, other = with_token(ada), with_token(ada)
    for _time in range(5):
        one.get(ME)
    assert other.get(ME).status_code == 429
    assert with_token(bob).get(ME).status_code == 200


def test_what_was_not_done_for_it_was_not_done(ada, backend):
    api = with_token(ada)
    statuses = [
        post(api, "projects/", {"repository": REPOSITORY}).status_code for _time in range(4)
    ]
    assert statuses == [201, 201, 201, 429]
    assert Project.objects.count() == 3
    assert api.get(ME).status_code == 200  # looking has a count of its own


def test_an_address_that_tries_tokens_is_told_to_wait_and_a_good_one_still_opens(ada):
    wrong = Client(headers={"Authorization": "Bearer bdy_wrong"})
    assert [wrong.get(ME).status_code for _time in range(5)] == [401, 401, 401, 401, 429]
    assert Client().get(ME).status_code == 429
    assert Client(REMOTE_ADDR="192.0.2.7").get(ME).status_code == 401
    assert with_token(ada).get(ME).status_code == 200


def test_nothing_is_too_often_where_no_rate_is_set(ada, settings):
    settings.PORTAL_API_RATE = 0
    api = with_token(ada)
    assert {api.get(ME).status_code for _time in range(20)} == {200}


def test_the_api_goes_on_where_the_counter_is_away(ada, settings):
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:9/0",
        }
    }
    api = with_token(ada)
    assert {api.get(ME).status_code for _time in range(10)} == {200}
