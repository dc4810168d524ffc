"""A provider that does not say which groups somebody is in takes none away, and staff hear of it.

Against the certified provider, at sign-in and when it is asked again.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from portal.accounts.oidc.claims import Policy
from portal.accounts.oidc.provider import read_providers
from portal.health.doctor import services
from portal.lib.env import Environment
from portal.models import SignIn, User
from sessions import tasks
from sessions.models import Condition
from sessions.watch import conditions
from tests.oidc.certified import Provider as Certified
from tests.oidc.conftest import configured, walk

pytestmark = pytest.mark.slow("a provider is started for each test", seconds=60)

OVERAGE: dict[str, dict[str, Any]] = {
    "a claim that is elsewhere": {
        "_claim_names": {"groups": "src1"},
        "_claim_sources": {"src1": {"endpoint": "https://graph.example.org/getMemberObjects"}},
    },
    "a mark that there are groups": {"hasgroups": True},
    "nothing at all": {},
    "a number": {"groups": 7},
    "a list that is cut": {"groups": ["physics", None]},
    "an object": {"groups": {"physics": True}},
}
KNOWN = ["physics", "watchers"]


@pytest.fixture(autouse=True)
def policy(settings) -> None:
    settings.OIDC_POLICY = Policy(roles={"watchers": frozenset({"viewer"})})


def become(provider: Certified, claims: dict[str, Any]) -> None:
    provider.people["1"] = {"preferred_username": "ada", **claims}
    provider.write()


def refresh() -> None:
    SignIn.objects.update(due=timezone.now() - timedelta(seconds=1))
    for pk in SignIn.objects.values_list("pk", flat=True):
        tasks.refresh_sign_in(pk)


def groups() -> tuple[list[str], bool]:
    ada = User.objects.get(username="ada")
    return sorted(ada.groups.values_list("name", flat=True)), ada.is_staff


@pytest.mark.parametrize("claims", OVERAGE.values(), ids=OVERAGE)
def test_groups_and_roles_stay_if_the_provider_does_not_name_them(claims, certified: Certified):
    become(certified, {"groups": KNOWN})
    walk(Client())
    assert groups() == (["physics", "viewer", "watchers"], True)
    become(certified, claims)
    refresh()
    assert groups() == (["physics", "viewer", "watchers"], True)
    walk(Client())
    assert groups() == (["physics", "viewer", "watchers"], True)
    conditions.record_all()
    assert Condition.objects.get(part="groups").problem in {"overage", "absent", "unreadable"}
    (finding,) = [each for each in services.check_providers() if each.id == "doctor.groups"]
    assert "ada" in finding.message

    become(certified, {"groups": []})
    refresh()
    assert groups() == ([], False)
    conditions.record_all()
    assert Condition.objects.get(part="groups").problem == ""


def test_first_sign_in_without_groups_is_explained_where_they_decide(
    certified: Certified, settings
):
    settings.OIDC_POLICY = Policy(allow_groups=frozenset({"members"}))
    become(certified, {"hasgroups": True})
    answer = walk(Client())
    assert answer.status_code == 403
    assert "did not say which groups you are in" in answer.content.decode()
    assert not User.objects.exists()


def test_member_stays_a_member_while_groups_are_missing(certified: Certified, settings):
    settings.OIDC_POLICY = Policy(allow_groups=frozenset({"members"}))
    become(certified, {"groups": ["members"]})
    client = Client()
    walk(client)
    become(certified, {"hasgroups": True})
    refresh()
    assert client.get("/account/").status_code == 200
    assert walk(Client()).status_code == 302


def test_absent_groups_mean_none_where_the_site_says_so(certified: Certified, settings):
    settings.OIDC_POLICY = Policy(absent_is_none=True)
    become(certified, {"groups": KNOWN})
    walk(Client())
    become(certified, {})
    refresh()
    assert groups() == ([], False)
    assert SignIn.objects.get().groups_missing == ""


def test_groups_are_fetched_from_the_provider_where_its_tokens_lack_them(
    certified: Certified, settings
):
    where = {"OIDC_CAMPUS_OP_GROUPS_ENDPOINT": f"{certified.issuer}/groups"}
    settings.OIDC_PROVIDERS = read_providers(Environment(configured(certified, **where)))
    become(certified, {"hasgroups": True, "all_groups": ["a", "b", "c", "d", "watchers"]})
    walk(Client())
    assert groups() == (["a", "b", "c", "d", "viewer", "watchers"], True)
    assert SignIn.objects.get().groups_missing == ""
    become(certified, {"hasgroups": True, "all_groups": ["a"]})
    refresh()
    assert groups() == (["a"], False)


def test_groups_stay_if_the_endpoint_for_them_fails(certified: Certified, settings):
    where = {"OIDC_CAMPUS_OP_GROUPS_ENDPOINT": f"{certified.issuer}/nothing"}
    settings.OIDC_PROVIDERS = read_providers(Environment(configured(certified, **where)))
    become(certified, {"groups": KNOWN})
    walk(Client())
    become(certified, {"hasgroups": True})
    refresh()
    assert groups() == (["physics", "viewer", "watchers"], True)
    assert SignIn.objects.get().groups_missing == "overage"
