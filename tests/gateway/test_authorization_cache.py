"""How long an authorization is cached: a right that was taken away ends within two seconds."""

from __future__ import annotations

import pytest
from asgiref.sync import sync_to_async

from keys.models import digest
from sessions.gateway import authorize
from sessions.gateway.authorize import AuthorizationCache, Credential, Decision
from sessions.models import Access
from tests.gateway.conftest import make_project
from tests.gateway.test_authorize import access

pytestmark = pytest.mark.django_db(transaction=True)

MINE = Credential("ada-flowers", "the cookie")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(authorize, "monotonic", clock)
    return clock


@pytest.fixture
def right(ada) -> Access:
    project = make_project(ada, MINE.label, "unix:/run/7")
    return access(ada, project, cookie=digest(MINE.cookie))


async def test_an_allowed_decision_is_cached_for_two_seconds(right, clock):
    known = AuthorizationCache()
    assert (await known.get(MINE)).decision is Decision.ALLOWED
    await Access.objects.all().adelete()
    clock.now += 1.9
    assert (await known.get(MINE)).decision is Decision.ALLOWED
    clock.now += 0.2
    assert (await known.get(MINE)).decision is Decision.SIGN_IN


async def test_a_refusal_is_cached_for_half_a_second(right, clock):
    known = AuthorizationCache()
    await sync_to_async(Access.objects.update)(cookie=None)
    assert (await known.get(MINE)).decision is Decision.SIGN_IN
    await sync_to_async(Access.objects.update)(cookie=digest(MINE.cookie))
    clock.now += 0.4
    assert (await known.get(MINE)).decision is Decision.SIGN_IN
    clock.now += 0.2
    assert (await known.get(MINE)).decision is Decision.ALLOWED


async def test_a_fresh_decision_replaces_a_cached_one(right, clock):
    known = AuthorizationCache()
    assert (await known.get(MINE)).decision is Decision.ALLOWED
    await Access.objects.all().adelete()
    assert (await known.get_fresh(MINE)).decision is Decision.SIGN_IN
    assert (await known.get(MINE)).decision is Decision.SIGN_IN


async def test_each_credential_is_cached_separately(right, clock):
    known = AuthorizationCache()
    assert (await known.get(MINE)).decision is Decision.ALLOWED
    for other in (Credential(MINE.label), MINE._replace(label="ada-other"),
                  MINE._replace(cookie="another"), MINE._replace(bearer="bdy_x")):  # fmt: skip
        assert (await known.get(other)).decision is Decision.SIGN_IN
