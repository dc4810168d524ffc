"""Callbacks that no provider sent count as failed attempts of the address they come from."""

from __future__ import annotations

import pytest
from axes.models import AccessAttempt
from django.test import Client

from portal.accounts.login_throttle import ADDRESS_TIMES
from portal.models import User
from tests.oidc.conftest import Arrive, come_back, leave
from tests.oidc.hostile import Hostile

LIMIT = 2 * ADDRESS_TIMES


@pytest.fixture(autouse=True)
def low_limit(settings) -> None:
    settings.AXES_FAILURE_LIMIT = 2


def test_forged_tokens_block_the_address(hostile: Hostile, arrive: Arrive):
    hostile.forge = lambda _claims: "nonsense"
    assert [arrive(Client()).status_code for _ in range(LIMIT)] == [400] * (LIMIT - 1) + [429]
    hostile.forge = hostile.sign
    asked = len(hostile.asked)
    answer = arrive(Client())
    assert answer.status_code == 429
    assert b"sign-in.too-many" in answer.content
    assert "/token" not in hostile.asked[asked:]
    assert not User.objects.exists()
    assert arrive(Client(REMOTE_ADDR="192.0.2.7")).status_code == 302
    assert sum(AccessAttempt.objects.values_list("failures_since_start", flat=True)) == LIMIT


def test_unsolicited_callbacks_are_not_counted(hostile: Hostile, arrive: Arrive):
    for number in range(LIMIT + 1):
        assert come_back(Client(), code="a", state=str(number)).status_code == 400
    assert arrive(Client()).status_code == 302


def test_declining_is_not_counted_as_a_failure(hostile: Hostile, arrive: Arrive):
    for _ in range(LIMIT + 1):
        client = Client()
        _, state = hostile.agree(leave(client))
        come_back(client, error="access_denied", state=state)
    assert arrive(Client()).status_code == 302


def test_codes_and_states_are_not_stored(hostile: Hostile):
    hostile.forge = lambda _claims: "nonsense"
    client = Client()
    code, state = hostile.agree(leave(client))
    come_back(client, code=code, state=state)
    kept = AccessAttempt.objects.get()
    assert code not in kept.get_data
    assert state not in kept.get_data
