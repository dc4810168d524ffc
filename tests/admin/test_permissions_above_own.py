"""Staff change nothing about people with more permissions than themselves: no sign-in, token or
group.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.utils import timezone

from keys.models import Token
from portal import roles
from portal.models import User
from quotas.models import Grant
from tests.admin.pages import filled_in
from tests.conftest import signed_in

pytestmark = pytest.mark.django_db

PEOPLE, GROUPS = "/admin/portal/user/", "/admin/auth/group/"


def sign_out(client: Client, *users: User) -> Any:
    chosen = {ACTION_CHECKBOX_NAME: [user.pk for user in users]}
    return client.post(PEOPLE, {"action": "sign_out", "confirmed": "yes", **chosen})


def is_in(client: Client) -> bool:
    return client.get("/account/").status_code == 200


def with_right(name: str, codename: str) -> User:
    """Return a user in no role, with one permission that roles do not have."""
    user = User.objects.create_user(name)
    user.user_permissions.add(Permission.objects.get(codename=codename))
    return user


def test_support_cannot_sign_out_people_with_more_permissions(
    as_sue, as_root, as_stan, root, stan, ada, as_ada
):
    clerk = with_right("clerk", "delete_user")
    as_clerk = signed_in(clerk)
    sign_out(as_sue, root, stan, clerk, ada)
    assert all(is_in(client) for client in (as_root, as_stan, as_clerk))
    assert not is_in(as_ada)


def test_confirmation_page_names_the_people_who_are_skipped(as_sue, root, ada):
    page = as_sue.post(PEOPLE, {"action": "sign_out", ACTION_CHECKBOX_NAME: [root.pk, ada.pk]})
    [(_effect, people)] = page.context["outcomes"]
    assert people == [ada]
    assert ("Skipped: anyone with more permissions than you", [root]) in page.context["skipped"]


def test_support_can_sign_out_viewers_and_themselves(as_sue, sue, vera, as_vera):
    sign_out(as_sue, vera)
    assert not is_in(as_vera)
    sign_out(as_sue, sue)
    assert not is_in(as_sue)


def test_operator_cannot_sign_out_a_superuser(as_stan, as_root, root, sue, as_sue):
    sign_out(as_stan, root, sue)
    assert is_in(as_root)
    assert not is_in(as_sue)


@pytest.fixture
def above(db) -> Group:
    """A group with a permission that no role has."""
    group = Group.objects.create(name="above")
    group.permissions.add(Permission.objects.get(codename="delete_user"))
    return group


def test_operator_cannot_edit_a_group_with_more_permissions(as_stan, above):
    page = as_stan.get(f"{GROUPS}{above.pk}/change/")
    assert page.status_code == 200
    assert 'name="_save"' not in page.content.decode()
    sent = {"name": "below", "limit_projects": "99"}
    assert as_stan.post(f"{GROUPS}{above.pk}/change/", sent).status_code == 403
    above.refresh_from_db()
    assert above.name == "above"
    assert not hasattr(above, "limit_set")


def test_operator_with_delete_group_cannot_delete_a_more_powerful_group(stan, above):
    stan.user_permissions.add(Permission.objects.get(codename="delete_group"))
    below = Group.objects.create(name="below")
    client = signed_in(stan)
    assert client.post(f"{GROUPS}{above.pk}/delete/", {"post": "yes"}).status_code == 403
    many = {"action": "delete_selected", "post": "yes", ACTION_CHECKBOX_NAME: [above.pk, below.pk]}
    assert client.post(GROUPS, many).status_code == 403
    assert Group.objects.filter(pk=above.pk).exists()
    assert client.post(f"{GROUPS}{below.pk}/delete/", {"post": "yes"}).status_code == 302


def test_staff_can_rename_groups_within_their_own_permissions(as_stan, as_root, above):
    for client, group in ((as_stan, Group.objects.create(name="physics")), (as_root, above)):
        address = f"{GROUPS}{group.pk}/change/"
        data = {**filled_in(client.get(address)), "name": f"{group.name} 2"}
        assert client.post(address, data).status_code == 302
        group.refresh_from_db()
        assert group.name.endswith(" 2")


def test_operator_cannot_delete_tokens_or_grants_of_a_superuser(as_stan, as_root, root, ada):
    for user, status in ((root, 403), (ada, 302)):
        token, _secret = Token.objects.issue(user, "laptop")
        grant = Grant.objects.create(
            user=user, limit="projects", value=9, until=timezone.localdate(), reason="x"
        )
        for address in (f"/admin/keys/token/{token.pk}/", f"/admin/quotas/grant/{grant.pk}/"):
            assert as_stan.post(f"{address}delete/", {"post": "yes"}).status_code == status
    many = {"action": "delete_selected", "post": "yes"}
    for model, path in ((Token, "/admin/keys/token/"), (Grant, "/admin/quotas/grant/")):
        numbers = list(model._default_manager.values_list("pk", flat=True))
        as_stan.post(path, {**many, ACTION_CHECKBOX_NAME: numbers})
        assert model._default_manager.filter(user=root).exists()
        as_root.post(path, {**many, ACTION_CHECKBOX_NAME: numbers})
        assert not model._default_manager.exists()


def test_operator_cannot_rename_a_role_group(as_stan, stan):
    """Roles keep their names, and what they may is a superuser's to say."""
    for role in roles.ROLES:
        group = roles.ensure_group(role)
        address = f"{GROUPS}{group.pk}/change/"
        as_stan.post(address, {**filled_in(as_stan.get(address)), "name": "mine"})
        group.refresh_from_db()
        assert group.name == role
