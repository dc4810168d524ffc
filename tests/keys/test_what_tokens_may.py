"""The rules of tokens: what each is for, what it may make, and when it ends."""

from __future__ import annotations

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from keys import issuing
from keys.authentication import HasScope, MissingScope, is_still_valid
from keys.models import SCOPES, Token, with_implied

NOW = datetime(2026, 11, 2, 12, tzinfo=timezone.get_default_timezone())
DAY = timedelta(days=1)


@pytest.mark.parametrize("scopes", ["", "read", "read launch", "notebook", "read launch notebook"])
def test_a_token_allows_exactly_the_scopes_it_names(scopes):
    token = Token(scope=scopes)
    for scope in (*SCOPES, "", "rea", "launch notebook", "note", "read launch"):
        assert token.allows(scope) is (scope in scopes.split())


@pytest.mark.parametrize(
    ("asked", "given"),
    [({"launch"}, ["read", "launch"]), ({"read"}, ["read"]), ({"notebook"}, ["notebook"]),
     (set(SCOPES), list(SCOPES)), ({"notebook", "launch"}, list(SCOPES)), (set(), [])],
)  # fmt: skip
def test_only_the_launch_scope_implies_another(asked, given):
    assert with_implied(asked) == given


@pytest.mark.parametrize(
    ("scopes", "wanted", "may"),
    [
        ("read", {"read"}, True),
        ("read launch notebook", set(SCOPES), True),
        ("read launch", {"launch"}, True),
        ("read", {"launch"}, False),
        ("launch", {"launch"}, False),  # with which comes read
        ("read launch", {"notebook"}, False),
        ("notebook", {"read", "notebook"}, False),
    ],
)
def test_a_token_may_not_issue_one_with_more_scopes(scopes, wanted, may):
    assert Token(scope=scopes, expires=NOW).may_issue(wanted, NOW) is may


def test_a_token_may_not_issue_one_that_lasts_longer():
    token = Token(scope="read", expires=NOW)
    assert token.may_issue(["read"], NOW)
    assert token.may_issue(["read"], NOW - DAY)
    assert not token.may_issue(["read"], NOW + timedelta(seconds=1))
    assert Token(scope="read", expires=None).may_issue(["read"], NOW + 1000 * DAY)


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("scope", [*SCOPES, ""])
def test_safe_methods_need_read_and_the_others_launch(method, scope):
    request: Any = SimpleNamespace(method=method, auth=Token(scope=scope))
    needed = "read" if method in {"GET", "HEAD", "OPTIONS"} else "launch"
    if scope == needed:
        assert HasScope().has_permission(request, None)  # type: ignore[arg-type]
        return
    with pytest.raises(MissingScope) as refusal:
        HasScope().has_permission(request, None)  # type: ignore[arg-type]
    assert f'scope="{needed}"' in refusal.value.auth_header


@pytest.mark.django_db
@pytest.mark.parametrize(("asked", "ends"), [(None, 30), (10, 10), (30, 30), (31, 30), (900, 30)])
def test_no_token_lasts_longer_than_the_site_allows(ada, settings, monkeypatch, asked, ends):
    settings.PORTAL_TOKEN_DAYS = 30
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    end = None if asked is None else NOW + asked * DAY
    assert Token.objects.issue(ada, "x", expires=end)[0].expires == NOW + ends * DAY


@pytest.mark.django_db
def test_invalid_scopes_and_expiry_dates_are_refused(ada, settings, monkeypatch):
    settings.PORTAL_TOKEN_DAYS = 30
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    for scopes, expires, field in (
        ([], None, "scopes"),
        (["write"], None, "scopes"),
        (["read"], NOW, "expires"),
        (["read"], NOW - DAY, "expires"),
        (["read"], NOW + 30 * DAY + timedelta(seconds=1), "expires"),
    ):
        with pytest.raises(ValidationError) as refusal:
            issuing.issue(ada, "x", scopes, expires)
        assert list(refusal.value.message_dict) == [field]
    assert not Token.objects.exists()
    for days in (0, -1, 31):
        with pytest.raises(ValidationError):
            issuing.expiry_in_days(days)
    assert [issuing.expiry_in_days(days) for days in (1, 30)] == [NOW + DAY, NOW + 30 * DAY]
    assert issuing.issue(ada, "x", ["read"], NOW + 30 * DAY)[0].expires == NOW + 30 * DAY


@pytest.mark.django_db
def test_the_maximum_of_100_tokens_is_per_person(ada, bob):
    for user, number in ((ada, issuing.MAX_TOKENS - 1), (bob, 3)):
        rows = (Token(user=user, name="x", digest=f"{user}{each}") for each in range(number))
        Token.objects.bulk_create(rows)
    issuing.issue(ada, "the last")
    with pytest.raises(ValidationError, match="100 tokens"):
        issuing.issue(ada, "one more")
    issuing.issue(bob, "x")


@pytest.mark.django_db
def test_a_stream_continues_only_while_its_token_is_valid(ada):
    token, _secret = Token.objects.issue(ada, "x")
    assert is_still_valid(token)
    assert is_still_valid(None)
    Token.objects.update(expires=timezone.now())
    assert not is_still_valid(token)
    Token.objects.update(expires=timezone.now() + DAY)
    type(ada).objects.update(is_active=False)
    assert not is_still_valid(token)
    type(ada).objects.update(is_active=True)
    assert is_still_valid(token)
    token.delete()
    assert not is_still_valid(Token(pk=token.pk or 1))
