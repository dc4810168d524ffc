"""Every way to become a superuser, or stop being one, is in the audit log."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command

from portal import roles
from portal.accounts import bootstrap, manage
from portal.accounts.oidc import people
from portal.accounts.oidc.claims import Policy
from portal.models import User
from portal.privacy import erase
from tests.admin.pages import filled_in

pytestmark = [pytest.mark.django_db, pytest.mark.databases]

POLICY = Policy(roles={"chiefs": frozenset({"superuser"}), "it": frozenset({"operator"})})


def changes_of(user: User, field: str) -> list[tuple[list[str], User | None]]:
    """Return the changes of this field of a user: old and new value, and who made them."""
    entries = LogEntry.objects.get_for_object(user).order_by("timestamp", "pk")
    found = [(entry.changes_dict.get(field), entry.actor) for entry in entries]
    return [(change, actor) for change, actor in found if change]


def save(client: Any, user: User, **changed: Any) -> None:
    page = f"/admin/portal/user/{user.pk}/change/"
    data = {**filled_in(client.get(page)), **changed, "_save": "Save"}
    sent = {name: value for name, value in data.items() if value is not None}
    assert client.post(page, sent).status_code == 302


def test_audit_log_records_superuser_changes_in_the_admin(ada, root, as_root):
    made, unmade = (["False", "True"], root), (["True", "False"], root)
    before = changes_of(ada, "is_superuser")
    save(as_root, ada, is_superuser="on")
    assert changes_of(ada, "is_superuser") == [*before, made]
    save(as_root, ada, is_superuser=None)
    assert changes_of(ada, "is_superuser") == [*before, made, unmade]


def test_audit_log_records_superuser_changes_by_an_oidc_claim(ada):
    before = changes_of(ada, "is_superuser")
    for names in (["chiefs"], []):
        people.sync_groups(ada, names, POLICY)
        ada.save()
    found = changes_of(ada, "is_superuser")[len(before) :]
    assert found == [(["False", "True"], None), (["True", "False"], None)]


def test_audit_log_records_superuser_rights_lost_by_erasure(root, backend):
    other = User.objects.create_superuser("other")
    erase.erase(other, root)
    found = [change for change, _actor in changes_of(other, "is_superuser")]
    assert found[-1] == ["True", "False"]


def test_audit_log_records_superusers_created_by_commands_and_bootstrap(settings):
    settings.PORTAL_ADMIN_PASSWORD = "long enough to be one"
    bootstrap.ensure_admin()
    call_command("createsuperuser", interactive=False, username="second", email="s@example.org",
                 stdout=StringIO())  # fmt: skip
    for user in User.objects.filter(username__in=[bootstrap.USERNAME, "second"]):
        assert changes_of(user, "is_superuser") == [(["None", "True"], None)]


@pytest.mark.parametrize(
    ("field", "sent", "change"),
    [("is_active", None, ["True", "False"]), ("is_staff", "on", ["False", "True"])],
)
def test_audit_log_records_changes_of_the_active_and_staff_flags(
    ada, root, as_root, field, sent, change
):
    before = changes_of(ada, field)
    save(as_root, ada, **{field: sent})
    assert changes_of(ada, field) == [*before, (change, root)]


def test_audit_log_records_disabling_enabling_and_signing_out(ada, backend):
    manage.disable(ada, ada)
    manage.enable(ada)
    found = [change for change, _actor in changes_of(ada, "is_active")]
    assert found[-2:] == [["True", "False"], ["False", "True"]]
    assert changes_of(ada, "signed_out")


def test_audit_log_names_roles_and_single_permissions(ada):
    roles.assign_role(ada, "support")
    ada.groups.remove(Group.objects.get(name="support"))
    ada.user_permissions.add(Permission.objects.get(codename="view_token"))
    entries = LogEntry.objects.get_for_object(ada).order_by("pk")
    found = [(field, change["operation"], change["objects"])
             for entry in entries for field, change in entry.changes_dict.items()
             if isinstance(change, dict)]  # fmt: skip
    assert found[:2] == [("groups", "add", ["support"]), ("groups", "delete", ["support"])]
    assert [(field, operation) for field, operation, _names in found[2:]] == [
        ("user_permissions", "add")
    ]
