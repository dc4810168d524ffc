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


def test_a_throttled_response_says_when_to_retry(ada, clock):
    api = with_token(ada)
    clock.now += 20
    assert {api.get(ME).status_code for _time in range(5)} == {200}
    answer = api.get(ME)
    assert (answer.status_code, answer.json()["code"]) == (429, "throttled")
    assert answer.headers["Retry-After"] == "40"
    assert "Try again in 40 seconds." in answer.json()["detail"]
    clock.now += 70
    assert api.get(ME).status_code == 200


def test_half_of_the_previous_minute_counts_halfway_through_this_one(ada, clock):
    api = with_token(ada)
    for _time in range(4):
        api.get(ME)
    clock.now += 90
    assert [api.get(ME).status_code for _time in range(4)] == [200, 200, 200, 429]


def test_all_tokens_of_one_person_share_one_rate(ada, bob):
    one, other = with_token(ada), with_token(ada)
    for _time in range(5):
        one.get(ME)
    assert other.get(ME).status_code == 429
    assert with_token(bob).get(ME).status_code == 200


def test_a_throttled_request_has_no_effect(ada, backend):
    api = with_token(ada)
    statuses = [
        post(api, "projects/", {"repository": REPOSITORY}).status_code for _time in range(4)
    ]
    assert statuses == [201, 201, 201, 429]
    assert Project.objects.count() == 3
    assert api.get(ME).status_code == 200  # looking has a count of its own


def test_guessing_tokens_throttles_the_address_but_not_valid_tokens(ada):
    wrong = Client(headers={"Authorization": "Bearer bdy_wrong"})
    assert [wrong.get(ME).status_code for _time in range(5)] == [401, 401, 401, 401, 429]
    assert Client().get(ME).status_code == 429
    assert Client(REMOTE_ADDR="192.0.2.7").get(ME).status_code == 401
    assert with_token(ada).get(ME).status_code == 200


def test_a_rate_of_zero_means_no_throttling(ada, settings):
    settings.PORTAL_API_RATE = 0
    api = with_token(ada)
    assert {api.get(ME).status_code for _time in range(20)} == {200}


def test_the_api_works_while_the_cache_is_unreachable(ada, settings):
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:9/0",
        }
    }
    api = with_token(ada)
    assert {api.get(ME).status_code for _time in range(10)} == {200}
