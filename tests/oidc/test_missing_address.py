"""A provider that leaves out address and names takes none away, and nobody's right to enter."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from portal.accounts.oidc.claims import Policy
from portal.models import User
from tests.oidc.certified import Provider as Certified
from tests.oidc.conftest import walk
from tests.oidc.test_missing_groups import become, refresh

pytestmark = pytest.mark.slow("a provider is started for each test", seconds=60)

NAMED = {"email": "ada@example.org", "given_name": "Ada", "family_name": "Lovelace"}


@pytest.mark.parametrize(
    ("claims", "email"),
    [
        ({}, "ada@example.org"),
        ({"email": None, "given_name": None, "family_name": 7}, "ada@example.org"),
        ({"email": f"{'x' * 300}@example.org"}, "ada@example.org"),
        ({"email": "augusta@example.org"}, "augusta@example.org"),
        ({"email": ""}, ""),
    ],
)
def test_an_address_stays_unless_the_provider_says_that_it_changed(
    claims: dict[str, Any], email: str, certified: Certified
):
    become(certified, NAMED)
    walk(Client())
    become(certified, claims)
    refresh()
    ada = User.objects.get(username="ada")
    assert (ada.email, ada.first_name, ada.last_name) == (email, "Ada", "Lovelace")


def test_nobody_is_signed_out_because_a_refreshed_token_has_no_address(
    certified: Certified, settings
):
    settings.OIDC_POLICY = Policy(allow_mail_domains=frozenset({"example.org"}))
    become(certified, NAMED)
    client = Client()
    walk(client)
    until = User.objects.get(username="ada").vouched_until
    become(certified, {})
    refresh()
    assert client.get("/account/").status_code == 200
    assert User.objects.get(username="ada").vouched_until == until
    answer = walk(Client())
    assert answer.status_code == 403
    assert "did not send your email address" in answer.content.decode()
    become(certified, {"email": "ada@elsewhere.example"})
    refresh()
    assert client.get("/account/").status_code == 302
