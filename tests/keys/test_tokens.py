"""Whom a token authenticates, and what is recorded about its use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from keys.models import Token
from portal.models import User

pytestmark = pytest.mark.databases


def client_with(secret: str) -> Client:
    return Client(headers={"Authorization": f"Bearer {secret}"})


@contextmanager
def read_only() -> Iterator[None]:
    """A read-only database, such as a standby that has not taken over yet."""
    words = {
        "sqlite": ("PRAGMA query_only = ON", "PRAGMA query_only = OFF"),
        "postgresql": (
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
        ),
    }
    begin, end = words[connection.vendor]
    with connection.cursor() as cursor:
        cursor.execute(begin)
        try:
            yield
        finally:
            cursor.execute(end)


@pytest.mark.django_db
def test_the_use_of_a_token_is_recorded_once_a_minute(ada, django_assert_num_queries):
    token, secret = Token.objects.issue(ada, "laptop")
    assert Token.objects.find_by_secret(secret) == token
    token.refresh_from_db()
    noted = token.last_used
    assert noted is not None
    with django_assert_num_queries(1):
        assert Token.objects.find_by_secret(secret) == token
    token.refresh_from_db()
    assert token.last_used == noted
    Token.objects.update(last_used=noted - timedelta(minutes=2))
    Token.objects.find_by_secret(secret)
    token.refresh_from_db()
    assert token.last_used >= noted


@pytest.mark.django_db(transaction=True)
def test_a_read_only_database_does_not_lock_tokens_out(ada, caplog):
    secret = Token.objects.issue(ada, "laptop")[1]
    with read_only():
        assert client_with(secret).get("/api/v1/me/").status_code == 200
    assert "cannot record the use of token" in caplog.text
    assert secret not in caplog.text
    assert Token.objects.get().last_used is None


@pytest.mark.django_db
@pytest.mark.parametrize(
    "change",
    [
        {"is_active": False},
        {"vouched_until": timezone.now() - timedelta(seconds=1)},
    ],
)
def test_tokens_of_people_who_may_not_sign_in_are_refused(ada, change):
    secret = Token.objects.issue(ada, "laptop")[1]
    User.objects.filter(pk=ada.pk).update(**change)
    answer = client_with(secret).get("/api/v1/me/")
    assert (answer.status_code, answer.json()["code"]) == (401, "token.invalid")
    User.objects.filter(pk=ada.pk).update(is_active=True, vouched_until=None)
    assert client_with(secret).get("/api/v1/me/").status_code == 200


@pytest.mark.django_db
def test_an_expired_token_is_refused(ada):
    secret = Token.objects.issue(ada, "laptop")[1]
    Token.objects.update(expires=timezone.now() - timedelta(seconds=1))
    assert client_with(secret).get("/api/v1/me/").status_code == 401


@pytest.mark.django_db
def test_every_secret_has_a_recognizable_prefix(ada):
    token, secret = Token.objects.issue(ada, "laptop")
    assert secret.startswith("bdy_")
    assert len(secret) > 40
    assert token.start == secret[:10]


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["Bearer", "bearer", "BEARER"])
def test_the_authorization_scheme_is_accepted_in_several_spellings(ada, kind):
    secret = Token.objects.issue(ada, "laptop")[1]
    client = Client(headers={"Authorization": f"{kind} {secret}"})
    assert client.get("/api/v1/me/").status_code == 200
