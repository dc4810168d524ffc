"""Every address of the admin, for everybody: who can see it, and who can change nothing with it."""

from __future__ import annotations

from typing import Any

import pytest
from auditlog.models import LogEntry
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import Group
from django.db.models import Model
from django.test import Client
from django.utils import timezone

from keys.models import Token
from portal.models import Announcement, Erasure, User
from quotas.models import Grant, LimitSet, SupportBounds
from sessions.models import Build, Project, RepositoryRule, Session
from tests.admin.pages import addresses, filled_in

pytestmark = pytest.mark.django_db

OPEN = {"login", "logout"}
"""Pages that anybody may use: visitors to them are not signed in yet, or are about to sign out."""
LABELS = ("portal", "quotas", "keys", "notebook_sessions", "auth", "auditlog", "admin")
STAFF = ["vera", "root", *(pytest.param(name, marks=pytest.mark.long) for name in ("sue", "stan"))]
"""All roles of staff; those between the lowest and the highest are among the long tests."""


@pytest.fixture
def pages(things) -> dict[str, str]:
    found = addresses(things)
    assert len(found) > 60
    return found


def client_of(name: str, request: pytest.FixtureRequest) -> Client:
    client: Client = request.getfixturevalue(f"as_{name}")
    return client


def snapshot() -> dict[str, Any]:
    """Return all rows that staff could change, without the times of sign-ins."""
    models = [model for label in LABELS for model in apps.get_app_config(label).get_models(True)]
    rows = {model._meta.label: list(model._default_manager.order_by("pk").values())
            for model in models}  # fmt: skip
    for user in rows["portal.User"]:
        user.pop("last_login")
    return rows


def attempts(model: type[Model], row: Model, root: Client) -> dict[str, dict[str, Any]]:
    """Return requests that could change something: addresses with fields that a superuser's form
    has.
    """
    base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
    actions = {
        f"{base}?{name}": {
            "action": name,
            ACTION_CHECKBOX_NAME: [row.pk],
            "confirmed": "yes",
            "post": "yes",
            "projects": "77",
            "limit": "projects",
            "value": "77",
            "until": timezone.localdate().isoformat(),
            "reason": "x",
            "stop": "on",
        }
        for name in all_actions(model)
    }
    forms = {}
    for address in (f"{base}add/", f"{base}{row.pk}/change/"):
        page = root.get(address)
        if page.status_code == 200 and page.context and "adminform" in page.context:
            sent = {name: _other(value) for name, value in filled_in(page).items()}
            forms[address] = {**sent, "_save": "Save"}
    return {**actions, **forms, f"{base}{row.pk}/delete/": {"post": "yes"}}


def all_actions(model: type[Model]) -> list[str]:
    site: Any = admin.site._registry[model]
    own = [name for _act, name, _title in site._get_base_actions()]
    return [*own, *(deed.name for deed in getattr(site, "deeds", ()))]


def _other(value: Any) -> Any:
    """Return another text than the form had; numbers and ids stay, so that it remains valid."""
    return f"{value} changed" if isinstance(value, str) and " " in value else value


@pytest.mark.parametrize("who", ["eve", "ada", "bob"])
def test_pages_are_closed_to_people_without_permission(who, request, pages):
    client = client_of(who, request)
    for name, address in pages.items():
        if name in OPEN:
            continue
        answer = client.get(address)
        assert answer.status_code in {302, 403, 404}, (name, answer.status_code)
        if answer.status_code == 302:
            assert answer["Location"].startswith("/admin/login/"), name


def test_posts_without_permission_change_nothing(as_eve, as_ada, as_vera, things, as_root):
    """Nor does a viewer, by whatever is sent."""
    before = snapshot()
    for model, row in things.items():
        for address, data in attempts(model, row, as_root).items():
            assert as_eve.post(address, data).status_code in {302, 403, 404}, address
            assert as_ada.post(address, data).status_code in {302, 403, 404}, address
            as_vera.post(address, data)
    assert snapshot() == before


@pytest.mark.parametrize("who", STAFF)
def test_no_page_fails_for_any_member_of_staff(who, request, pages):
    client = client_of(who, request)
    for name, address in pages.items():
        if name != "logout":
            status = client.get(address).status_code
            assert status in {200, 301, 302, 403, 404, 405}, (name, status)


def test_viewer_sees_every_list_and_row_but_no_edit_form(as_vera, things):
    for model, row in things.items():
        base = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        assert as_vera.get(base).status_code in {200, 302}, base
        page = as_vera.get(f"{base}{row.pk}/change/")
        assert page.status_code == 200, base
        text = page.content.decode()
        assert 'name="_save"' not in text
        assert as_vera.get(f"{base}add/").status_code == 403
        assert as_vera.get(f"{base}{row.pk}/delete/").status_code == 403


def test_posts_of_these_tests_are_accepted_from_a_superuser(as_root, things):
    """Or the tests above would prove nothing."""
    for model in (User, Announcement, Group, RepositoryRule, Grant):
        row = things[model]
        address = f"/admin/{model._meta.app_label}/{model._meta.model_name}/{row.pk}/change/"
        answer = as_root.post(address, attempts(model, row, as_root)[address])
        assert answer.status_code == 302, (address, answer.context["errors"])


@pytest.mark.parametrize("model", [User, LimitSet, SupportBounds, Announcement, Group, Token, Grant,
                                   RepositoryRule, LogEntry, Project, Session, Build,
                                   Erasure])  # fmt: skip
def test_support_cannot_change_or_delete_rows(as_sue, sue, things, model, as_root):
    row = things[model]
    before = snapshot()
    for address, data in attempts(model, row, as_root).items():
        if "?" not in address and not (model is Grant and address.endswith("/add/")):
            assert as_sue.post(address, data).status_code in {302, 403}, address
    assert snapshot() == before


def test_audit_log_entries_cannot_be_added_changed_or_deleted(as_root, things):
    row = things[LogEntry]
    base = "/admin/auditlog/logentry/"
    for address in (f"{base}add/", f"{base}{row.pk}/change/", f"{base}{row.pk}/delete/"):
        assert as_root.post(address, {"post": "yes"}).status_code == 403
    data = {"action": "delete_selected", ACTION_CHECKBOX_NAME: [row.pk], "post": "yes"}
    as_root.post(base, data)
    assert LogEntry.objects.filter(pk=row.pk).exists()
