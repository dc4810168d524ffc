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


def test_token_gives_access_to_the_metrics(token):
    status, text = ask(token)
    assert status == 200
    assert "bindery_database_up 1.0" in text


def test_token_works_for_any_host_name(token):
    assert ask(token, "10.1.2.3")[0] == 200
    assert ask("another", "10.1.2.3")[0] == 401


@pytest.mark.parametrize("wrong", ["another", "a token for prometheus2", "…"])
def test_wrong_token_is_refused(token, wrong):
    status, text = ask(wrong)
    assert status == 401
    assert "PORTAL_METRICS_TOKEN" in text
    assert "bindery_" not in text


def test_no_token_is_accepted_when_none_is_configured(settings, backend):
    settings.PORTAL_METRICS_TOKEN = ""
    assert ask("")[0] == 401
    assert ask("x")[0] == 401


def test_caller_without_a_token_is_told_what_to_do(token, as_eve, as_ada):
    for client in (as_eve, as_ada):
        answer = client.get("/metrics")
        assert answer.status_code == 401
        assert answer["WWW-Authenticate"] == "Bearer"
        assert "PORTAL_METRICS_TOKEN" in answer.content.decode()


def test_staff_who_may_view_sessions_can_read_the_metrics(backend, as_vera, as_stan, as_root):
    for client in (as_vera, as_stan, as_root):
        answer = client.get("/metrics")
        assert answer.status_code == 200
        assert answer["Content-Type"].startswith("text/plain; version=")
        assert "no-store" in answer["Cache-Control"]


def test_staff_without_a_role_cannot_read_the_metrics(backend, ada, as_ada):
    ada.is_staff = True
    ada.save()
    assert as_ada.get("/metrics").status_code == 401


def test_metrics_refuse_post_requests(token, as_stan):
    assert as_stan.post("/metrics").status_code == 405
    headers = {"Authorization": f"Bearer {token}"}
    assert Client().post("/metrics", headers=headers).status_code == 405


def test_token_works_while_the_database_is_away(token, as_stan):
    def unreachable(*arguments: object) -> None:
        raise DatabaseError

    with connection.execute_wrapper(unreachable):
        status, text = ask(token)
    assert status == 200
    assert "bindery_database_up 0.0" in text
