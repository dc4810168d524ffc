"""Tokens in the admin: seeing whose they are and what they may do, and revoking one."""

from __future__ import annotations

import pytest

from keys.models import Token

pytestmark = pytest.mark.django_db

LIST = "/admin/keys/token/"


@pytest.fixture
def token(ada) -> Token:
    return Token.objects.issue(ada, "laptop", ["read"])[0]


def test_staff_see_name_start_and_scope_of_a_token_but_no_digest(as_vera, token):
    for address in (LIST, f"{LIST}{token.pk}/change/", f"{LIST}?q={token.start}"):
        page = as_vera.get(address).content.decode()
        for words in ("laptop", "ada", token.start, "read"):
            assert words in page, (address, words)
        assert token.digest not in page
        assert token.digest[:12] not in page


def test_only_operators_can_revoke_a_token(as_vera, as_sue, as_stan, token):
    address = f"{LIST}{token.pk}/delete/"
    for client in (as_vera, as_sue):
        assert client.post(address, {"post": "yes"}).status_code == 403
    assert Token.objects.exists()
    assert as_stan.post(address, {"post": "yes"}).status_code == 302
    assert not Token.objects.exists()


def test_tokens_cannot_be_created_or_changed_in_the_admin(as_root, token):
    assert as_root.get(f"{LIST}add/").status_code == 403
    as_root.post(f"{LIST}{token.pk}/change/", {"name": "other", "scope": "read launch"})
    token.refresh_from_db()
    assert (token.name, token.scope) == ("laptop", "read")
