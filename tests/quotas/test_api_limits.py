"""A person's limits through the API: for staff, recorded with who changed what."""

from __future__ import annotations

import pytest
from auditlog.models import LogEntry
from django.test import Client
from django.utils import timezone

from quotas import changes
from quotas.fields import FIELDS
from quotas.limits import defaults, limits_of
from quotas.models import Grant, LimitSet
from tests.making import with_token

pytestmark = pytest.mark.django_db

ADDRESS = "/api/v1/users/ada/limits/"


def patch(client: Client, data, address: str = ADDRESS):
    return client.patch(address, data, content_type="application/json")


def test_staff_read_each_limit_with_its_source(ada, vera):
    changes.set_own_limits(ada, {"projects": 8})
    today = timezone.localdate()
    Grant.objects.create(user=ada, limit="running", value=90, until=today)
    answer = with_token(vera).get(ADDRESS)
    assert answer.status_code == 200
    limits = answer.json()["limits"]
    assert answer.json()["username"] == "ada"
    assert list(limits) == list(FIELDS)
    assert limits["projects"] == {
        "own": 8,
        "inherited": 5,
        "effective": 8,
        "source": "person",
    }
    assert limits["running"] == {
        "own": None,
        "inherited": defaults()["running"],
        "effective": 90,
        "source": "grant",
        "until": today.isoformat(),
    }


def test_operators_may_set_some_limits_and_the_others_stay(ada, stan):
    changes.set_own_limits(ada, {"projects": 8, "running": 2})
    answer = patch(with_token(stan), {"projects": None, "max_cpu": 2.5})
    assert answer.status_code == 200
    assert answer.json()["limits"]["max_cpu"]["own"] == 2.5
    assert (limits_of(ada).projects, limits_of(ada).running, limits_of(ada).max_cpu) == (5, 2, 2.5)


@pytest.mark.parametrize("way", ["token", "browser"])
def test_changes_are_audited_with_actor_and_values(ada, stan, as_stan, way):
    changes.set_own_limits(ada, {"projects": 8})
    patch(with_token(stan) if way == "token" else as_stan, {"projects": 9, "max_cpu": 4})
    entry = LogEntry.objects.get_for_object(LimitSet.objects.get()).latest()
    assert entry.actor == stan
    assert entry.changes["projects"] == ["8", "9"]
    assert entry.changes["max_cpu"] == ["None", "4.0"]
    assert entry.additional_data["user"] == ada.pk


def test_a_later_change_is_not_attributed_to_the_previous_actor(ada, stan):
    patch(with_token(stan), {"projects": 9})
    changes.set_own_limits(ada, {"projects": 10})
    assert LogEntry.objects.get_for_object(LimitSet.objects.get()).latest().actor is None


def test_a_request_that_changes_nothing_is_not_recorded(ada, stan):
    api = with_token(stan)
    patch(api, {"projects": 9})
    before = LogEntry.objects.count()
    assert patch(api, {"projects": 9.0}).status_code == 200
    assert LogEntry.objects.count() == before


@pytest.mark.parametrize(
    ("data", "name"),
    [
        ({"projekts": 5}, "projekts"),
        ({"projects": "5"}, "projects"),
        ({"projects": True}, "projects"),
        ({"projects": 1.5}, "projects"),
        ({"projects": -1}, "projects"),
        ({"max_cpu": 1_000_001}, "max_cpu"),
        ({"max_cpu": [1]}, "max_cpu"),
    ],
)
def test_unknown_names_and_invalid_values_are_refused(ada, stan, data, name):
    answer = patch(with_token(stan), {"running": 3, **data})
    assert answer.status_code == 400
    assert answer.json()["code"] == "invalid"
    assert list(answer.json()["fields"]) == [name]
    assert limits_of(ada).running == defaults()["running"]


@pytest.mark.parametrize("text", ['{"max_cpu": NaN}', "[1]", "5", "{", '{"max_cpu": 1e999}'])
def test_a_malformed_body_is_refused(ada, stan, text):
    assert patch(with_token(stan), text).status_code == 400
    assert not LimitSet.objects.exists()


def test_people_without_the_permission_get_404_and_eve_gets_401(ada, bob, as_eve):
    for user in (ada, bob):
        client = with_token(user)
        assert client.get(ADDRESS).status_code == 404
        assert patch(client, {"projects": 50}).status_code == 404
    assert as_eve.get(ADDRESS).status_code == 401
    assert patch(as_eve, {"projects": 50}).status_code == 401
    assert limits_of(ada).projects == 5


@pytest.mark.parametrize("who", ["vera", "sue"])
def test_viewers_and_support_may_not_change_limits(ada, who, request):
    answer = patch(with_token(request.getfixturevalue(who)), {"projects": 50})
    assert answer.status_code == 403
    assert limits_of(ada).projects == 5


def test_only_a_superuser_may_change_a_superusers_limits(stan, root):
    address = "/api/v1/users/root/limits/"
    assert patch(with_token(stan), {"projects": 50}, address).status_code == 403
    assert patch(with_token(root), {"projects": 50}, address).status_code == 200


def test_a_permission_without_staff_status_is_worth_nothing(ada, bob, stan):
    bob.groups.set(stan.groups.all())
    assert with_token(bob).get(ADDRESS).status_code == 404


def test_an_unknown_username_is_404(stan):
    assert with_token(stan).get("/api/v1/users/nobody/limits/").status_code == 404
