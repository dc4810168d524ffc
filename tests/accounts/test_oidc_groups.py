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


def test_groups_no_longer_claimed_are_removed(ada):
    claim(ada, "physics", "maths")
    assert of(ada) == {"physics", "maths"}
    assert of(claim(ada, "maths", "arts")) == {"maths", "arts"}
    assert of(claim(ada)) == set()


def test_group_assigned_by_staff_stays_when_a_claim_comes_and_goes(ada):
    ada.groups.add(Group.objects.create(name="physics"))
    assert claim(ada, "physics", "maths").claimed == ["maths"]
    assert of(claim(ada)) == {"physics"}


def test_group_removed_by_staff_returns_with_the_next_claim(ada):
    claim(ada, "physics")
    ada.groups.clear()
    assert of(claim(ada, "physics")) == {"physics"}


@pytest.mark.parametrize("name", ["viewer", "support", "operator", "staff", "superuser"])
def test_claimed_group_named_like_a_role_gives_no_role(ada, name):
    ada = claim(ada, name)
    assert (of(ada), ada.is_staff, ada.is_superuser, ada.claimed) == (set(), False, False, [])


def test_claim_cannot_join_a_group_that_has_permissions(ada):
    powerful = Group.objects.create(name="powerful")
    claim(ada, "powerful")
    assert of(ada) == {"powerful"}  # as long as it gives nothing
    powerful.permissions.add(Permission.objects.get(codename="view_user"))
    assert of(claim(ada, "powerful")) == set()


@pytest.mark.parametrize(("group", "role"), [("watchers", "viewer"), ("it", "operator")])
def test_role_comes_and_goes_with_its_claimed_group(ada, group, role):
    ada = claim(ada, group)
    assert of(ada) == {group, role}
    assert ada.is_staff
    assert ada.has_perm("portal.view_user")
    ada = claim(ada)
    assert (of(ada), ada.is_staff) == (set(), False)


def test_superuser_by_claim_ends_with_the_claim(ada):
    ada = claim(ada, "chiefs")
    assert ada.is_superuser and ada.is_staff
    ada = claim(ada, "it")
    assert not ada.is_superuser and ada.is_staff
    assert not claim(ada).is_staff


def test_role_assigned_by_staff_stays(stan):
    assert of(claim(stan, "it")) == {"it", "operator"}
    stan = claim(stan)
    assert (of(stan), stan.is_staff) == ({"operator"}, True)


def test_role_assigned_by_staff_keeps_admin_access_when_a_claimed_one_ends(ada):
    ada = claim(ada, "watchers")
    roles.assign_role(ada, "support")
    ada = claim(ada)
    assert (of(ada), ada.is_staff) == ({"support"}, True)


def test_superuser_made_by_staff_stays_one(root):
    root = claim(claim(root, "chiefs"))
    assert root.is_superuser and root.is_staff


def test_syncing_twice_changes_nothing(ada):
    first = claim(ada, "physics", "it", "chiefs")
    again = claim(first, "physics", "it", "chiefs")
    assert (of(again), again.claimed) == (of(first), first.claimed)
