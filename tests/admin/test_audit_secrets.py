"""Passwords, tokens and groups in the audit log: who changed which, and never their values."""

from __future__ import annotations

import pytest
from auditlog.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.test import Client

from keys.models import Token
from portal.admin import audit
from portal.models import User
from portal.privacy import erase, export
from tests.admin.pages import filled_in
from tests.making import with_token

pytestmark = pytest.mark.django_db


def told(row: object) -> list[tuple[int, User | None]]:
    """Return the actions on a row, and who did them."""
    entries = LogEntry.objects.get_for_object(row).order_by("pk")
    return [(entry.action, entry.actor) for entry in entries]


CREATE, UPDATE, DELETE = (LogEntry.Action.CREATE, LogEntry.Action.UPDATE, LogEntry.Action.DELETE)


def test_audit_log_records_who_made_and_who_revoked_a_token(as_ada, as_stan, ada, stan):
    as_ada.post("/account/tokens/", {"name": "laptop", "scopes": ["read"], "days": "30"})
    token = Token.objects.get()
    pk = token.pk
    as_stan.post(f"/admin/keys/token/{pk}/delete/", {"post": "yes"})
    token.pk = pk
    assert told(token) == [(CREATE, ada), (DELETE, stan)]
    entries = LogEntry.objects.get_for_object(token)
    assert not any(token.digest[:12] in str(entry.changes) for entry in entries)
    [shown] = [entry for entry in audit.history_of(ada) if entry.content_type.model == "token"]
    assert (shown.action, shown.actor) == (DELETE, stan)


def test_token_made_with_another_token_is_attributed_to_its_owner(ada):
    api = with_token(ada)
    answer = api.post("/api/v1/tokens/", {"name": "robot"}, content_type="application/json")
    assert answer.status_code == 201, answer.content
    token = Token.objects.get(name="robot")
    assert told(token) == [(CREATE, ada)]
    assert not any(answer.json()["secret"] in str(e.changes) for e in LogEntry.objects.all())


def test_using_a_token_leaves_no_audit_entry(ada):
    with_token(ada).get("/api/v1/me/")
    assert told(Token.objects.get()) == [(CREATE, None)]


def test_audit_log_records_names_and_permissions_of_groups(as_root, root):
    as_root.post("/admin/auth/group/add/", {"name": "physics"})
    group = Group.objects.get(name="physics")
    permission = Permission.objects.get(codename="delete_user")
    address = f"/admin/auth/group/{group.pk}/change/"
    sent = {**filled_in(as_root.get(address)), "name": "physicists", "permissions": [permission.pk]}
    assert as_root.post(address, sent).status_code == 302
    as_root.post(f"/admin/auth/group/{group.pk}/delete/", {"post": "yes"})
    group.pk = group.pk or int(address.split("/")[4])
    found = LogEntry.objects.get_for_object(group).order_by("pk")
    assert {entry.actor for entry in found} == {root}
    assert found.first().action == CREATE
    assert found.last().action == DELETE
    changes = [entry.changes_dict for entry in found]
    assert ["physics", "physicists"] in [change.get("name") for change in changes]
    assert [change["permissions"]["operation"] for change in changes
                       if "permissions" in change and isinstance(change["permissions"], dict)
                       and change["permissions"]["operation"] == "add"] == ["add"]  # fmt: skip


def test_audit_log_records_a_password_changed_by_command(ada, monkeypatch):
    monkeypatch.setattr("getpass.getpass", lambda **_words: "one from the command line")
    call_command("changepassword", "ada", verbosity=0)
    last = LogEntry.objects.get_for_object(ada).latest()
    assert last.changes == {"password": ["…", "…"]}


def test_rehashing_at_sign_in_is_not_logged_as_a_password_change(ada, settings):
    """Also where it is stored in a newer way from then on."""
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.ScryptPasswordHasher",
        "django.contrib.auth.hashers.MD5PasswordHasher",
    ]
    before = LogEntry.objects.count()
    Client().post("/sign-in/", {"username": "ada", "password": "ada's password"})
    assert User.objects.get(pk=ada.pk).password.startswith("scrypt")
    assert LogEntry.objects.count() == before


def test_request_headers_never_reach_the_audit_log(as_stan, ada):
    """A port of 26 digits, and a correlation id longer than its column, came from anybody."""
    address = f"/admin/portal/user/{ada.pk}/change/"
    sent = {**filled_in(as_stan.get(address)), "email": "new@example.org"}
    odd = {"X-Forwarded-Port": "9" * 26, "X-Correlation-ID": "x" * 5000, "X-Forwarded-For": "::1"}
    assert as_stan.post(address, sent, headers=odd).status_code == 302
    entry = LogEntry.objects.get_for_object(ada).latest()
    assert (entry.remote_addr, entry.remote_port, entry.cid) == (None, None, None)


def test_erasure_removes_token_names_from_the_audit_log(ada, root, backend):
    Token.objects.issue(ada, "ada's laptop")
    Token.objects.all().delete()
    assert any("laptop" in entry.object_repr for entry in LogEntry.objects.all())
    assert export._audit_about(ada).filter(content_type__model="token").count() == 2
    erase.erase(ada, root)
    erase.finish()
    entries = LogEntry.objects.all()
    assert not any("laptop" in f"{entry.object_repr} {entry.changes}" for entry in entries)
