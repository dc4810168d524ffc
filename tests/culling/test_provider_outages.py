"""While an identity provider is away, its users cannot press Keep: nothing of theirs is deleted."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from portal.accounts.oidc.provider import Provider
from portal.models import User
from sessions.culling import policy
from sessions.models import Condition, Heartbeat
from sessions.models.operations import SIGN_IN_CONDITION
from sessions.watch import conditions
from tests.culling.conftest import DAY, HOUR, MINUTE, now_is
from tests.oidc.hostile import Hostile

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.one_database]

DESCRIPTION = "/.well-known/openid-configuration"


@pytest.fixture
def campus(settings, ada) -> Iterator[Hostile]:
    """An identity provider with which ada signs in; bob signs in by his password."""
    with Hostile() as provider:
        settings.OIDC_PROVIDERS = {"campus": provider.entry("campus")}
        User.objects.filter(pk=ada.pk).update(issuer=provider.issuer, subject="1")
        yield provider


def is_away(campus: Hostile, *, away: bool = True) -> None:
    if away:
        campus.answers[DESCRIPTION] = (503, b"away")
    else:
        campus.answers.clear()


def noted() -> str:
    conditions.record_all()
    return Condition.objects.get(part=SIGN_IN_CONDITION).problem


def test_people_who_cannot_sign_in_get_a_full_day_after_the_outage(
    ada, bob, campus, portal, unused
):
    hers, his = unused(ada), unused(bob)
    portal.live(2 * DAY - HOUR)
    is_away(campus)
    portal.live(DAY)
    assert (now_is(hers).removed, bool(now_is(his).removed)) == (None, True)
    assert noted() == "no response from campus"
    is_away(campus, away=False)
    portal.sleep(MINUTE)
    portal.look()
    assert now_is(hers).warned == portal.now
    assert noted() == ""
    portal.live(DAY - MINUTE)
    assert not now_is(hers).removed
    portal.live(MINUTE)
    assert now_is(hers).removed


def test_nothing_is_announced_to_people_who_cannot_sign_in(ada, campus, portal, unused):
    is_away(campus)
    project = unused(ada, 6.5)
    portal.live(2 * HOUR)
    assert now_is(project).goes is None


def test_short_provider_outage_does_not_renew_the_warning(ada, campus, portal, unused):
    project = unused(ada)
    portal.live(2 * DAY - 30 * MINUTE)
    is_away(campus)
    portal.live(30 * MINUTE)
    assert not now_is(project).removed
    is_away(campus, away=False)
    portal.sleep(MINUTE)
    portal.look()
    assert now_is(project).removed


def test_person_of_a_removed_provider_is_treated_like_everybody(ada, portal, unused):
    User.objects.filter(pk=ada.pk).update(issuer="https://closed.example.org", subject="1")
    project = unused(ada)
    portal.live(2 * DAY)
    assert now_is(project).removed


def test_provider_with_explicit_endpoints_is_asked_for_its_keys(settings, campus, portal):
    places = {name: f"{campus.issuer}/{name}" for name in ("authorization", "token", "keys")}
    by_hand = Provider("lab", "Lab", "portal", "secret", campus.issuer, endpoints=places)
    settings.OIDC_PROVIDERS = {"lab": by_hand}
    campus.answers["/keys"] = (200, json.dumps({"keys": []}).encode())
    portal.look()
    assert noted() == ""
    campus.answers["/keys"] = (500, b"")
    portal.sleep(10 * MINUTE)
    portal.look()
    assert noted() == "no response from lab"


def test_provider_is_checked_every_few_minutes_and_more_often_while_away(campus, portal):
    portal.look()
    assert not policy.needs_provider_check()
    portal.sleep(4 * MINUTE)
    assert not policy.needs_provider_check()
    portal.sleep(2 * MINUTE)
    assert policy.needs_provider_check()
    is_away(campus)
    portal.look()
    assert policy.needs_provider_check()


def test_without_providers_nothing_is_checked_or_reported(campus, portal, settings):
    portal.look()
    settings.OIDC_PROVIDERS = {}
    conditions.record_all()
    assert not Condition.objects.filter(part=SIGN_IN_CONDITION).exists()
    assert not policy.needs_provider_check()
    assert Heartbeat.objects.filter(name__startswith="provider-").count() == 1
