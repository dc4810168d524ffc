"""A request that is sent twice with one idempotency key happens once and gets the same answer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connections
from django.utils import timezone

from keys.models import Token
from sessions import lifecycle
from sessions.backends import Problem
from sessions.models import Idempotency, Project
from sessions.watch.reconcile import reconcile
from tests.api.conftest import REPOSITORY, post
from tests.making import with_token

pytestmark = [pytest.mark.django_db, pytest.mark.databases]

WISH = {"repository": REPOSITORY}
KEY = "8e03978e-40d5-43dd-bc93-6894a57f9324"


def test_a_repeated_request_is_answered_again_but_not_done_again(api):
    first = post(api, "projects/", WISH, Idempotency_Key=KEY)
    again = post(api, "projects/", WISH, Idempotency_Key=KEY)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert Project.objects.count() == 1


def test_without_a_key_every_request_is_done(api):
    post(api, "projects/", WISH)
    post(api, "projects/", WISH)
    assert Project.objects.count() == 2
    assert not Idempotency.objects.exists()


def test_the_formatting_of_the_json_does_not_matter(api):
    headers = {"Idempotency-Key": KEY}
    for body in ('{"repository": "a/b", "ref": "x"}', '{"ref":"x","repository":"a/b"}'):
        answer = api.post("/api/v1/projects/", body, "application/json", headers=headers)
        assert answer.status_code == 201
    assert Project.objects.count() == 1


def test_another_request_with_the_same_key_is_refused(api):
    name = post(api, "projects/", WISH, Idempotency_Key=KEY).json()["name"]
    for address, data in (
        ("projects/", {**WISH, "ref": "main"}),
        (f"projects/{name}/stop/", None),
    ):
        answer = post(api, address, data, Idempotency_Key=KEY)
        assert (answer.status_code, answer.json()["code"]) == (422, "idempotency.key-reused")
    assert Project.objects.count() == 1


def test_keys_of_different_people_do_not_collide(api, bob):
    post(api, "projects/", WISH, Idempotency_Key=KEY)
    answer = post(with_token(bob), "projects/", WISH, Idempotency_Key=KEY)
    assert "Idempotent-Replayed" not in answer.headers
    assert Project.objects.count() == 2


def test_a_refusal_is_replayed_too(ada, api, launch):
    name = launch(ada)[0].name
    first = post(api, f"projects/{name}/stop/", Idempotency_Key=KEY)
    lifecycle.start(Project.objects.get(), ada)
    again = post(api, f"projects/{name}/stop/", Idempotency_Key=KEY)
    assert (first.status_code, again.status_code) == (409, 409)
    assert first.json() == again.json()
    assert Project.objects.get().state == "waiting"


def test_a_temporary_failure_may_be_retried_with_the_same_key(api, backend):
    backend.troubles = [Problem("local.no-sandbox", "There is no sandbox.", "Install one.")]
    assert post(api, "projects/", WISH, Idempotency_Key=KEY).status_code == 503
    assert not Project.objects.exists() and not Idempotency.objects.exists()
    backend.troubles = []
    answer = post(api, "projects/", WISH, Idempotency_Key=KEY)
    assert answer.status_code == 201
    assert "Idempotent-Replayed" not in answer.headers


def test_a_request_in_progress_is_409(ada, api):
    _begun(api)
    answer = post(api, "projects/", WISH, Idempotency_Key=KEY)
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency.in-progress")
    assert Project.objects.count() == 1


def test_a_crash_does_not_block_the_key_forever(api):
    _begun(api)
    Idempotency.objects.update(created=timezone.now() - timedelta(minutes=2))
    assert post(api, "projects/", WISH, Idempotency_Key=KEY).status_code == 201
    again = post(api, "projects/", WISH, Idempotency_Key=KEY)
    assert again.headers["Idempotent-Replayed"] == "true"


def test_a_request_whose_key_was_taken_over_stores_nothing(ada, api):
    late, _new = Idempotency.objects.claim(ada, KEY, "digest")
    Idempotency.objects.update(created=timezone.now() - timedelta(minutes=2))
    late.refresh_from_db()
    _row, is_new = Idempotency.objects.claim(ada, KEY, "digest")
    assert is_new
    assert not Idempotency.objects.store_response(late, 201, {})
    Idempotency.objects.release(late)
    assert Idempotency.objects.count() == 1


def _begun(api) -> None:
    """A request with the key that has no answer yet."""
    post(api, "projects/", WISH, Idempotency_Key=KEY)
    Idempotency.objects.update(status=None, body=None)


def test_a_stored_response_expires_after_a_day(api, backend):
    post(api, "projects/", WISH, Idempotency_Key=KEY)
    reconcile()
    assert Idempotency.objects.exists()
    Idempotency.objects.update(created=timezone.now() - timedelta(hours=25))
    assert post(api, "projects/", WISH, Idempotency_Key=KEY).status_code == 201
    assert Project.objects.count() == 2
    Idempotency.objects.update(created=timezone.now() - timedelta(hours=25))
    reconcile()
    assert not Idempotency.objects.exists()


def test_a_secret_is_neither_stored_nor_returned_again(ada, api):
    data = {"name": "laptop", "scopes": ["read"]}
    first = post(api, "tokens/", data, Idempotency_Key=KEY)
    assert first.status_code == 201
    assert first.json()["secret"] not in str(list(Idempotency.objects.values()))
    again = post(api, "tokens/", data, Idempotency_Key=KEY)
    assert (again.status_code, again.json()["code"]) == (409, "idempotency.secret")
    assert Token.objects.filter(user=ada, name="laptop").count() == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "\x7f"])
def test_an_empty_long_or_unprintable_key_is_refused(api, key):
    answer = post(api, "projects/", WISH, Idempotency_Key=key)
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency.key")
    assert not Project.objects.exists()


def test_invalid_json_does_not_use_up_the_key(api):
    headers = {"Idempotency-Key": KEY}
    answer = api.post("/api/v1/projects/", "{not", "application/json", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "parse_error")
    assert post(api, "projects/", WISH, Idempotency_Key=KEY).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_one_of_many_concurrent_requests_is_done(ada, api, backend):
    def send(_number: int) -> int:
        try:
            return post(with_token(ada), "projects/", WISH, Idempotency_Key=KEY).status_code
        finally:
            connections.close_all()

    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(send, range(6)))
    assert set(statuses) <= {201, 409}
    assert 201 in statuses
    assert Project.objects.count() == 1
