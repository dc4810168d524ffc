"""Groups and roles by claim come and go with the claim; those that staff gave by hand stay."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission

from portal import roles
from portal.accounts.oidc import people
from portal.accounts.oidc.claims import Policy
from portal.models import User

POLICY = Policy(
    roles={
        "watchers": frozenset({"viewer"}),
        "it": frozenset({"operator"}),
        "chiefs": frozenset({"superuser"}),
    }
)

pytestmark = [pytest.mark.django_db, pytest.mark.databases]


def claim(user: User, *names: str) -> User:
    people.sync_groups(user, names, POLICY)
    user.save()
    return User.objects.get(pk=user.pk)


def of(user: User) -> set[str]:
    return set(user.groups.values_list("name", flat=True))


def test_what_is_claimed_no_longer_is_taken_away(ada):
    claim(ada, "physics", "maths")
    assert of(ada) == {"physics", "maths"}
    assert of(claim(ada, "maths", "arts")) == {"maths", "arts"}
    assert of(claim(ada)) == set()


def test_what_staff_gave_by_hand_stays_also_if_it_is_claimed_for_a_while(ada):
    ada.groups.add(Group.objects.create(name="physics"))
    assert claim(ada, "physics", "maths").claimed == ["maths"]
    assert of(claim(ada)) == {"physics"}


def test_what_staff_took_away_comes_back_with_the_next_claim(ada):
    claim(ada, "physics")
    ada.groups.clear()
    assert of(claim(ada, "physics")) == {"physics"}


@pytest.mark.parametrize("name", ["viewer", "support", "operator", "staff", "superuser"])
def test_a_group_called_like_a_role_gives_none(ada, name):
    ada = claim(ada, name)
    assert (of(ada), ada.is_staff, ada.is_superuser, ada.claimed) == (set(), False, False, [])


def test_a_group_with_rights_is_not_joined_by_claiming_it(ada):
    powerful = Group.objects.create(name="powerful")
    claim(ada, "powerful")
    assert of(ada) == {"powerful"}  # as long as it gives nothing
    powerful.permissions.add(Permission.objects.get(codename="view_user"))
    assert of(claim(ada, "powerful")) == set()


@pytest.mark.parametrize(("group", "role"), [("watchers", "viewer"), ("it", "operator")])
def test_a_role_comes_with_its_group_and_goes_with_it(ada, group, role):
    ada = claim(ada, group)
    assert of(ada) == {group, role}
    assert ada.is_staff
    assert ada.has_perm("portal.view_user")
    ada = claim(ada)
    assert (of(ada), ada.is_staff) == (set(), False)


def test_a_superuser_by_claim_is_one_for_as_long(ada):
    ada = claim(ada, "chiefs")
    assert ada.is_superuser and ada.is_staff
    ada = claim(ada, "it")
    assert not ada.is_superuser and ada.is_staff
    assert not claim(ada).is_staff


def test_a_role_given_by_hand_stays(stan):
    assert of(claim(stan, "it")) == {"it", "operator"}
    stan = claim(stan)
    assert (of(stan), stan.is_staff) == ({"operator"}, True)


def test_a_role_given_by_hand_keeps_its_door_when_the_claimed_one_goes(ada):
    ada = claim(ada, "watchers")
    roles.assign_role(ada, "support")
    ada = claim(ada)
    assert (of(ada), ada.is_staff) == ({"support"}, True)


def test_a_superuser_by_hand_stays_one(root):
    root = claim(claim(root, "chiefs"))
    assert root.is_superuser and root.is_staff


def test_settling_twice_changes_nothing(ada):
    first = claim(ada, "physics", "it", "chiefs")
    again = claim(first, "physics", "it", "chiefs")
    assert (of(again), again.claimed) == (of(first), first.claimed)
