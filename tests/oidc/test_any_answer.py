"""Whatever a provider answers, the page says so, and the next sign-in passes."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import hypothesis
import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from portal.models import SignIn, User
from tests.oidc.conftest import come_back, leave
from tests.oidc.hostile import Hostile
from tests.strategies import ANYTHING, JUNK

NUMBER = count(1)
CLAIMS = ["groups", "email", "name", "given_name", "family_name", "preferred_username", "sid",
          "_claim_names", "hasgroups", "eduperson_entitlement", "email_verified"]  # fmt: skip
PATHS = ["/token", "/jwks", "/me"]
BODY = st.binary(max_size=200) | ANYTHING.map(
    lambda value: json.dumps(value).encode("utf-8", "replace")
)
pytestmark = pytest.mark.slow("each answer is followed by another sign-in", seconds=120)
AMOUNTS = [
    pytest.param(15, id="some"),
    pytest.param(
        2000,
        id="many",
        marks=[pytest.mark.long, pytest.mark.slow("thousands of sign-ins", seconds=3600)],
    ),
]


def arrives(hostile: Hostile) -> Any:
    client = Client()
    code, state = hostile.agree(leave(client))
    return come_back(client, code=code, state=state)


def passes(hostile: Hostile) -> bool:
    """Return whether an honest provider's next person gets in."""
    number = next(NUMBER)
    hostile.person = {"sub": str(number), "preferred_username": f"person-{number}"}
    hostile.answers = {}
    return arrives(hostile).headers.get("Location") == "/"


@pytest.mark.parametrize("amount", AMOUNTS)
def test_any_claims_lead_in_or_to_an_explanation(amount, hostile: Hostile):
    @hypothesis.settings(max_examples=amount, phases=[hypothesis.Phase.generate])
    @given(st.dictionaries(st.sampled_from(CLAIMS), JUNK | ANYTHING))
    def each(claims: dict[str, Any]) -> None:
        hostile.person = {"sub": f"strange-{next(NUMBER)}", **json.loads(json.dumps(claims))}
        answer = arrives(hostile)
        assert answer.status_code == 302 or "oidc." in answer.content.decode()
        assert passes(hostile)

    each()
    names = User.objects.values_list("username", "first_name", "last_name", "email")
    assert all("\0" not in text for row in names for text in row)
    assert SignIn.objects.exists()


@pytest.mark.parametrize("amount", AMOUNTS)
def test_any_body_leads_in_or_to_an_explanation(amount, hostile: Hostile):
    @hypothesis.settings(max_examples=amount, phases=[hypothesis.Phase.generate])
    @given(st.sampled_from(PATHS), st.sampled_from([200, 201, 400, 500]), BODY)
    def each(path: str, status: int, body: bytes) -> None:
        hostile.answers = {path: (status, body)}
        answer = arrives(hostile)
        assert answer.status_code == 302 or "oidc." in answer.content.decode()
        assert passes(hostile)

    each()
