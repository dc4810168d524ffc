"""Sign-in attempts: after too many, further ones have to wait, by name and address, and by address
alone.
"""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest
from axes.models import AccessAttempt
from django.contrib.auth import authenticate
from django.core.management import call_command
from django.test import Client, RequestFactory
from django.utils import timezone

from portal.accounts import login_throttle

pytestmark = [pytest.mark.django_db, pytest.mark.databases]

LIMIT = 5
RIGHT = "ada's password"
HERE, ELSEWHERE = "192.0.2.1", "192.0.2.2"


def try_once(password: str, name: str = "ada", address: str = HERE, where: str = "/sign-in/"):
    form = {"username": name, "password": password}
    return Client(REMOTE_ADDR=address).post(where, form)


def fail(times: int, **how: str) -> list[int]:
    return [try_once("wrong", **how).status_code for _ in range(times)]


@pytest.mark.parametrize("where", ["/sign-in/", "/admin/login/"])
def test_too_many_failures_block_even_the_right_password(ada, root, where):
    name, right = ("root", "root's password") if "admin" in where else ("ada", RIGHT)
    assert fail(LIMIT, name=name, where=where) == [200] * (LIMIT - 1) + [429]
    answer = try_once(right, name=name, where=where)
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "900"
    page = answer.content.decode()
    assert "15 minutes" in page
    assert "sign-in.too-many" in page


def test_successful_sign_in_resets_the_failures_before_it(ada):
    fail(LIMIT - 1)
    assert try_once(RIGHT).status_code == 302
    assert fail(LIMIT - 1) == [200] * (LIMIT - 1)


def test_somebody_else_at_the_same_address_gets_in(ada, bob):
    fail(LIMIT)
    assert try_once("bob's password", name="bob").status_code == 302


def test_the_same_person_gets_in_from_elsewhere(ada):
    fail(LIMIT)
    assert try_once(RIGHT, address=ELSEWHERE).status_code == 302


def test_address_that_tries_many_names_is_blocked_as_a_whole(ada):
    for number in range(login_throttle.ADDRESS_TIMES):
        fail(LIMIT, name=f"name{number}")
    assert try_once(RIGHT).status_code == 429
    assert try_once(RIGHT, address=ELSEWHERE).status_code == 302


def test_successful_sign_in_does_not_reset_the_failures_of_an_address(ada):
    for number in range(login_throttle.ADDRESS_TIMES):
        assert try_once(RIGHT).status_code == 302
        fail(LIMIT, name=f"name{number}")
    assert try_once(RIGHT).status_code == 429


def test_ipv6_network_counts_as_one_address(ada):
    addresses = [f"2001:db8:1:2::{number}" for number in range(1, LIMIT + 1)]
    for address in addresses:
        fail(1, address=address)
    assert try_once(RIGHT, address="2001:db8:1:2:ffff::1").status_code == 429
    assert try_once(RIGHT, address="2001:db8:1:3::1").status_code == 302


@pytest.mark.parametrize(
    ("given", "known"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("unknown", None),
        ("", None),
        ("1.2.3.4'; --", None),
    ],
)
def test_client_address_is_one_that_the_database_accepts(given, known):
    assert login_throttle.client_address(RequestFactory().get("/", REMOTE_ADDR=given)) == known


def test_invalid_address_is_blocked_too(ada):
    assert fail(LIMIT, address="unknown")[-1] == 429


def test_block_ends_after_the_pause_despite_further_attempts(ada):
    fail(LIMIT + 3)
    assert AccessAttempt.objects.get().failures_since_start == LIMIT
    past = timezone.now() - timedelta(seconds=901)
    AccessAttempt.objects.update(attempt_time=past)
    assert try_once(RIGHT).status_code == 302


def test_command_lifts_the_block_of_a_username(ada, capsys):
    fail(LIMIT)
    call_command("axes_reset_username", "ada")
    assert try_once(RIGHT).status_code == 302


def test_log_has_the_name_and_address_but_no_password(ada, caplog):
    with caplog.at_level(logging.DEBUG):
        Client(REMOTE_ADDR=HERE).post(
            "/sign-in/?next=/secret-of-ada/", {"username": "ada", "password": "hunter2"}
        )
    assert f"'ada' from {HERE}" in caplog.text
    assert "hunter2" not in caplog.text
    stored = AccessAttempt.objects.get()
    assert "hunter2" not in stored.post_data + stored.get_data
    assert "secret-of-ada" not in stored.post_data + stored.get_data


def test_username_cannot_forge_a_log_line(ada, caplog):
    fail(1, name="ada\n2026 WARNING all is well")
    assert all("\n" not in record.getMessage() for record in caplog.records)


def test_unknown_username_is_counted_the_same(db):
    assert fail(LIMIT, name="nobody") == [200] * (LIMIT - 1) + [429]


def test_failures_without_a_request_block_nobody(ada):
    for _ in range(LIMIT + 1):
        assert authenticate(None, username="ada", password="wrong") is None
    assert authenticate(None, username="ada", password=RIGHT) == ada
    assert Client().login(username="ada", password=RIGHT)
