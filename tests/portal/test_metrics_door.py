"""The metrics are for callers with the token, and for staff who may see sessions."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection
from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def token(settings, backend) -> str:
    settings.PORTAL_METRICS_TOKEN = "a token for prometheus"
    return settings.PORTAL_METRICS_TOKEN


def ask(token: str, host: str = "localhost") -> tuple[int, str]:
    headers = {"Authorization": f"Bearer {token}", "Host": host}
    answer = Client().get("/metrics", headers=headers)
    return answer.status_code, answer.content.decode()


def test_the_token_opens_them(token):
    status, text = ask(token)
    assert status == 200
    assert "bindery_database_up 1.0" in text


def test_a_process_may_be_asked_by_any_address(token):
    assert ask(token, "10.1.2.3")[0] == 200
    assert ask("another", "10.1.2.3")[0] == 401


@pytest.mark.parametrize("wrong", ["another", "a token for prometheus2", "…"])
def test_another_one_does_not(token, wrong):
    status, text = ask(wrong)
    assert status == 401
    assert "PORTAL_METRICS_TOKEN" in text
    assert "bindery_" not in text


def test_without_a_token_set_none_does(settings, backend):
    settings.PORTAL_METRICS_TOKEN = ""
    assert ask("")[0] == 401
    assert ask("x")[0] == 401


def test_who_has_none_is_told_what_to_do(token, as_eve, as_ada):
    for client in (as_eve, as_ada):
        answer = client.get("/metrics")
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"] == "Bearer"
        assert "PORTAL_METRICS_TOKEN" in answer.content.decode()


def test_staff_who_may_see_sessions_may_see_them(backend, as_vera, as_stan, as_root):
    for client in (as_vera, as_stan, as_root):
        answer = client.get("/metrics")
        assert answer.status_code == 200
        assert answer["Content-Type"].startswith("text/plain; version=")
        assert "no-store" in answer["Cache-Control"]


def test_staff_without_a_role_may_not(backend, ada, as_ada):
    ada.is_staff = True
    ada.save()
    assert as_ada.get("/metrics").status_code == 401


def test_they_are_only_read(token, as_stan):
    assert as_stan.post("/metrics").status_code == 405
    headers = {"Authorization": f"Bearer {token}"}
    assert Client().post("/metrics", headers=headers).status_code == 405


def test_the_token_opens_them_while_the_database_is_away(token, as_stan):
    def unreachable(*arguments: object) -> None:
        raise DatabaseError

    with connection.execute_wrapper(unreachable):
        status, text = ask(token)
    assert status == 200
    assert "bindery_database_up 0.0" in text
