"""The roles of staff: what each may do, created by a migration and kept in one table."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command

from portal import roles
from portal.models import User

ROOT = Path(__file__).resolve().parents[2]
VERBS = "view|add|change|delete|act_on|cancel|sign_out|disable|exceed|answer"
NAME = re.compile(rf"^([a-z_]+)\.((?:{VERBS})_[a-z]+)$")
ROLE_MIGRATIONS = (
    "0003_roles",
    "0006_roles_and_people",
    "0008_roles_and_letters",
    "0012_roles_and_installation",
    "0015_roles_and_profiles",
)
IN_TEMPLATES = re.compile(rf"perms\.([a-z_]+)\.((?:{VERBS})_[a-z]+)\b")


def named() -> Iterator[tuple[str, str]]:
    """Yield every permission that code or a template names in full."""
    for app in ("portal", "sessions", "quotas", "keys"):
        for path in (ROOT / app).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield from NAME.findall(node.value)
    for path in (ROOT / "templates").rglob("*.html"):
        yield from IN_TEMPLATES.findall(path.read_text())


def held(group: Group) -> set[str]:
    rows = group.permissions.values_list("content_type__app_label", "codename")
    return {f"{label}.{codename}" for label, codename in rows}


def test_every_permission_in_use_exists_and_none_is_of_web_sessions(db):
    there = set(Permission.objects.values_list("content_type__app_label", "codename"))
    asked = set(named())
    assert len(asked) > 20
    assert asked - there == set()
    assert not {name for label, name in asked if label == "sessions"}


@pytest.mark.parametrize("role", roles.ROLES)
def test_ensure_group_resets_a_role_to_its_permissions(db, role):
    roles.ensure_group(role).permissions.set(Permission.objects.all()[:3])
    assert held(roles.ensure_group(role)) == set(roles.ROLES[role])
    assert Group.objects.filter(name=role).count() == 1


def test_each_role_includes_the_permissions_of_the_one_below():
    viewer, support, operator = (set(roles.ROLES[name]) for name in roles.ROLES)
    assert viewer < support < operator


def test_viewer_has_only_view_permissions():
    assert {name.partition(".")[2].partition("_")[0] for name in roles.ROLES["viewer"]} == {"view"}


def test_no_role_may_delete_people_or_change_permissions():
    assert not {"portal.delete_user", "auth.delete_group", "auth.change_permission"} & set(
        roles.ROLES["operator"]
    )


def test_role_migrations_match_the_roles_in_use(db):
    frozen: dict[str, set[str]] = {role: set() for role in roles.ROLES}
    for name in ROLE_MIGRATIONS:
        for role, tables in importlib.import_module(f"portal.migrations.{name}").ROLES.items():
            for table in tables:
                frozen[role] |= {f"{label}.{code}" for label in table for code in table[label]}
    assert frozen == {role: set(names) for role, names in roles.ROLES.items()}


@pytest.mark.django_db(transaction=True)
def test_migration_creates_the_roles_and_removes_them_again():
    Group.objects.create(name="physics")
    call_command("migrate", "portal", "0002", verbosity=0)
    assert set(Group.objects.values_list("name", flat=True)) == {"physics"}
    Permission.objects.all().delete()  # as on a database that is empty
    call_command("migrate", verbosity=0)  # with what came after it in other apps
    for role in roles.ROLES:
        assert held(Group.objects.get(name=role)) == set(roles.ROLES[role])


def test_assigning_a_role_gives_access_to_the_admin(ada):
    roles.assign_role(ada, "viewer")
    again = User.objects.get(pk=ada.pk)
    assert again.is_staff
    assert again.has_perm("quotas.view_grant")
    assert not again.has_perm("quotas.add_grant")


def test_nobody_may_change_people_with_more_permissions(ada, vera, sue, stan, root):
    people = User.objects.all()

    def changeable(by: User) -> set[str]:
        return {user.username for user in roles.changeable_by(by, people)}

    assert changeable(root) == {"ada", "vera", "sue", "stan", "root"}
    assert changeable(stan) == {"ada", "vera", "sue", "stan"}
    assert changeable(sue) == {"ada", "vera", "sue"}
    ada.user_permissions.add(Permission.objects.get(codename="delete_user"))
    assert not roles.may_change(stan, ada)
    assert roles.may_change(root, ada)


def test_operator_may_not_change_a_disabled_superuser(stan, root):
    User.objects.filter(pk=root.pk).update(is_active=False)
    assert not roles.may_change(stan, root)


def test_operator_may_not_assign_a_group_with_more_permissions(stan, root):
    above = Group.objects.create(name="above")
    above.permissions.add(Permission.objects.get(codename="delete_user"))
    plain = Group.objects.create(name="plain")
    assert roles.may_assign_groups(stan, Group.objects.filter(pk=plain.pk))
    assert not roles.may_assign_groups(stan, Group.objects.filter(pk__in=[plain.pk, above.pk]))
    assert roles.may_assign_groups(root, Group.objects.filter(pk=above.pk))
