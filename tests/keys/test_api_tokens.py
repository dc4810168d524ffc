"""``/api/v1/tokens/``: making tokens, listing one's own, revoking them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from keys import issuing
from keys.models import SCOPES, Token, digest
from portal.models import User

pytestmark = pytest.mark.django_db

ADDRESS = "/api/v1/tokens/"
FIELDS = {"id", "name", "starts_with", "scopes", "created", "last_used", "expires"}


def with_token(user: User, **options: Any) -> Client:
    secret = Token.objects.issue(user, "maker", **options)[1]
    return Client(headers={"Authorization": f"Bearer {secret}"})


def post(client: Client, **data: Any):
    return client.post(ADDRESS, data, content_type="application/json")


def in_days(days: float) -> datetime:
    return timezone.now() + timedelta(days=days)


def test_the_secret_is_returned_once_and_opens_the_api(as_ada):
    answer = post(as_ada, name="laptop", scopes=["read"], days=7)
    assert answer.status_code == 201
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.json()
    assert set(body) == {*FIELDS, "secret"}
    assert body["secret"].startswith("bdy_")
    assert body["secret"].startswith(body["starts_with"])
    assert (body["name"], body["scopes"], body["last_used"]) == ("laptop", ["read"], None)
    ends = datetime.fromisoformat(body["expires"])
    assert abs(ends - in_days(7)) < timedelta(minutes=5)
    for kind in ("Bearer", "token"):  # the second is what Jupyter's clients write
        client = Client(headers={"Authorization": f"{kind} {body['secret']}"})
        assert client.get("/api/v1/me/").json()["username"] == "ada"
    assert body["secret"] not in as_ada.get(ADDRESS).content.decode()


def test_only_the_digest_of_a_secret_is_stored(as_ada):
    secret = post(as_ada, name="laptop").json()["secret"]
    row = Token.objects.values().get()
    assert row["digest"] == digest(secret)
    assert secret not in str(row)


def test_everybody_lists_only_their_own_tokens(as_ada, as_stan, ada, bob, as_root):
    Token.objects.issue(ada, "hers")
    Token.objects.issue(bob, "his")
    assert [row["name"] for row in as_ada.get(ADDRESS).json()] == ["hers"]
    assert set(as_ada.get(ADDRESS).json()[0]) == FIELDS
    for staff in (as_stan, as_root):
        assert staff.get(ADDRESS).json() == []
    assert Client().get(ADDRESS).status_code == 401


def test_only_the_owner_may_revoke_a_token(as_ada, as_bob, as_root, ada):
    token, secret = Token.objects.issue(ada, "hers")
    for other in (as_bob, as_root):
        assert other.delete(f"{ADDRESS}{token.pk}/").status_code == 404
    assert as_ada.delete(f"{ADDRESS}{token.pk}/").status_code == 204
    assert as_ada.delete(f"{ADDRESS}{token.pk}/").status_code == 404
    assert Token.objects.find_by_secret(secret) is None
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    answer = client.get("/api/v1/me/")
    assert (answer.status_code, answer.json()["code"]) == (401, "token.invalid")


def test_a_token_can_revoke_itself(ada):
    client = with_token(ada)
    assert client.delete(f"{ADDRESS}{Token.objects.get().pk}/").status_code == 204
    assert client.get("/api/v1/me/").status_code == 401


def test_by_default_a_token_has_every_scope_and_the_longest_lifetime(as_ada, settings):
    settings.PORTAL_TOKEN_DAYS = 10
    body = post(as_ada, name="laptop").json()
    assert body["scopes"] == list(SCOPES)
    assert datetime.fromisoformat(body["expires"]) <= in_days(10)


def test_the_launch_scope_includes_read(as_ada):
    assert post(as_ada, name="laptop", scopes=["launch"]).json()["scopes"] == ["read", "launch"]


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"name": ""},
        {"name": "x" * 101},
        {"name": "a\0b"},
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["everything"]},
        {"name": "x", "scopes": "read"},
        {"name": "x", "days": 0},
        {"name": "x", "days": -1},
        {"name": "x", "days": 366},
        {"name": "x", "days": 10**30},
        {"name": "x", "days": "soon"},
        {"name": "x", "expires": "tomorrow"},
        {"name": "x", "expires": "2001-01-01T00:00:00Z"},
        {"name": "x", "expires": "9999-12-31T23:59:59Z"},
        {"name": "x", "expires": "9999-12-31T23:59:59-12:00"},
        {"name": "x", "expires": "2100-01-01T00:00:00Z", "days": 3},
    ],
)
def test_an_invalid_token_request_is_refused_with_a_message(as_ada, wish):
    answer = post(as_ada, **wish)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert answer.json()["detail"]
    assert not Token.objects.exists()


def test_a_token_may_only_issue_tokens_that_do_no_more_than_itself(ada):
    expires = in_days(20)
    client = with_token(ada, scopes=["read", "launch"], expires=expires)
    body = post(client, name="child").json()
    assert body["scopes"] == ["read", "launch"]
    assert datetime.fromisoformat(body["expires"]) == expires
    assert post(client, name="shorter", scopes=["read"], days=3).status_code == 201
    for more in ({"scopes": ["notebook"]}, {"scopes": list(SCOPES)}, {"days": 21}):
        answer = post(client, name="beyond", **more)
        assert (answer.status_code, answer.json()["code"]) == (403, "token.beyond"), more
    assert not Token.objects.filter(name="beyond").exists()


def test_an_older_token_without_expiry_issues_tokens_that_expire(ada):
    client = with_token(ada)
    Token.objects.update(expires=None)
    assert datetime.fromisoformat(post(client, name="child").json()["expires"]) <= in_days(365)


def test_a_person_may_have_at_most_100_tokens(as_ada, as_bob, ada, monkeypatch):
    for number in range(issuing.MAX_TOKENS):
        Token.objects.issue(ada, f"number {number}")
    answer = post(as_ada, name="one more")
    assert answer.status_code == 400
    assert "100 tokens" in answer.json()["detail"]
    assert post(as_bob, name="his first").status_code == 201


def test_a_response_with_a_secret_is_not_stored_for_replay(as_ada):
    from sessions.models import Idempotency

    wish = {"data": {"name": "laptop"}, "headers": {"Idempotency-Key": "one"}}
    first = as_ada.post(ADDRESS, content_type="application/json", **wish)
    assert first.status_code == 201
    again = as_ada.post(ADDRESS, content_type="application/json", **wish)
    assert first.json()["secret"] not in again.content.decode()
    assert first.json()["secret"] not in str(list(Idempotency.objects.values()))
