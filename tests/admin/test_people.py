"""People in the admin: their history, their limits, and actions on many of them at once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from keys.models import Token
from portal import roles
from portal.accounts import manage
from portal.models import Announcement, User
from quotas import changes
from quotas.limits import defaults, limits_of
from quotas.models import Grant, LimitSet
from sessions import lifecycle
from sessions.errors import QuotaExceeded
from sessions.gateway import tickets
from sessions.models import Access, Project
from sessions.states import ProjectState
from tests.admin.pages import filled_in
from tests.stages import project_in

pytestmark = pytest.mark.django_db

LIST = "/admin/portal/user/"


def page_of(user: User) -> str:
    return f"{LIST}{user.pk}/change/"


def save(client: Client, user: User, **changed):
    """Submit the person's form with these changes; None unticks a box."""
    data = {**filled_in(client.get(page_of(user))), **changed}
    sent = {name: value for name, value in data.items() if value is not None}
    return client.post(page_of(user), {**sent, "_save": "Save"})


def act(client: Client, action: str, *users: User, **fields):
    chosen = {ACTION_CHECKBOX_NAME: [user.pk for user in users]}
    return client.post(LIST, {"action": action, **chosen, **fields})


def soon(days: int = 3) -> str:
    return (timezone.localdate() + timedelta(days=days)).isoformat()


def text_of(answer) -> str:
    return " ".join(answer.content.decode().split())


# --- The page ---
def test_person_page_shows_projects_and_tokens_but_no_secret(as_vera, ada, backend):
    ready = project_in(ProjectState.READY, ada, "ada/flowers")
    failed = project_in(ProjectState.FAILED, ada, "ada/bees")
    _token, secret = Token.objects.issue(ada, "laptop")
    text = text_of(as_vera.get(page_of(ada)))
    for words in ("Running now", ready.repository, failed.repository, "build.requirements"):
        assert words in text
    assert f"/admin/notebook_sessions/build/{failed.current.build_id}/change/" in text
    assert "laptop" in text
    assert secret not in text
    assert Token.objects.get().digest not in text
    assert ada.password.split("$")[2][:6] not in text


def test_person_page_shows_each_limit_with_its_source_and_usage(as_stan, ada, backend):
    physics = Group.objects.create(name="physics")
    ada.groups.add(physics)
    changes.set_own_limits(physics, {"running": 3})
    changes.set_own_limits(ada, {"projects": 8})
    project_in(ProjectState.READY, ada)
    rows = {row.field.name: row for row in as_stan.get(page_of(ada)).context["limits"]}
    assert (rows["projects"].effective.own, rows["projects"].effective.inherited) == (8, 5)
    assert (rows["projects"].in_use, rows["running"].in_use) == (1, 1)
    assert rows["running"].effective.group == "physics"
    assert rows["running"].input.field.widget.attrs["placeholder"] == "3"
    assert rows["idle_days"].in_use is None


def test_usage_above_a_lowered_limit_is_marked(as_stan, ada, backend):
    project_in(ProjectState.READY, ada)
    changes.set_own_limits(ada, {"running": 0})
    assert "above the limit" in text_of(as_stan.get(page_of(ada)))


def test_limit_set_by_an_operator_applies_to_the_next_launch(as_stan, stan, ada, backend):
    assert save(as_stan, ada, limit_projects="1").status_code == 302
    lifecycle.launch(ada, "github.com/ada/flowers")
    with pytest.raises(QuotaExceeded):
        lifecycle.launch(ada, "github.com/ada/flowers")
    save(as_stan, ada, limit_projects="2")
    lifecycle.launch(ada, "github.com/ada/flowers")
    entry = LogEntry.objects.get_for_object(LimitSet.objects.get()).latest()
    assert (entry.actor, entry.changes) == (stan, {"projects": ["1", "2"]})


def test_clearing_a_limit_restores_the_inherited_value(as_stan, ada):
    changes.set_own_limits(ada, {"projects": 8, "running": 2})
    save(as_stan, ada, limit_projects="")
    assert (limits_of(ada).projects, limits_of(ada).running) == (5, 2)


def test_saving_without_changes_writes_no_limits_and_no_audit_entry(as_stan, ada):
    before = LogEntry.objects.count()
    assert save(as_stan, ada).status_code == 302
    assert LogEntry.objects.count() == before
    assert not LimitSet.objects.exists()


def test_invalid_limit_is_reported_on_its_field(as_stan, ada):
    answer = save(as_stan, ada, limit_projects="-1", limit_running="2")
    assert answer.status_code == 200
    assert "greater than or equal to 0" in text_of(answer)
    assert limits_of(ada).running == defaults()["running"]


def test_grant_added_on_the_page_records_who_gave_it(as_stan, stan, ada):
    grant = {"limit": "projects", "value": "20", "until": soon(), "reason": "course"}
    fields = {f"grants-0-{name}": value for name, value in grant.items()}
    answer = save(as_stan, ada, **fields, **{"grants-TOTAL_FORMS": "1"})
    assert answer.status_code == 302
    assert Grant.objects.get().given_by == stan
    assert limits_of(ada).projects == 20


def test_person_page_shows_who_changed_what(as_stan, as_vera, ada):
    save(as_stan, ada, limit_projects="7")
    save(as_stan, ada, limit_projects="9", email="new@example.org")
    Grant.objects.create(user=ada, limit="running", value=9, until=timezone.localdate()).delete()
    text = text_of(as_vera.get(page_of(ada)))
    assert "<del>7</del> → <ins>9</ins>" in text
    assert "<del>ada@example.org</del> → <ins>new@example.org</ins>" in text
    assert "Grant, delete" in text
    listed = text_of(as_vera.get("/admin/auditlog/logentry/"))
    assert "<del>7</del> → <ins>9</ins>" in listed
    assert f'<a href="{page_of(ada)}">' in listed


# --- Rights ---
def test_assigning_a_role_makes_the_person_staff(as_stan, stan, ada):
    viewer = roles.ensure_group("viewer")
    assert save(as_stan, ada, groups=[viewer.pk]).status_code == 302
    ada.refresh_from_db()
    assert ada.is_staff
    entry = LogEntry.objects.get_for_object(ada).filter(changes__has_key="groups").latest()
    assert (entry.actor, entry.changes["groups"]["objects"]) == (stan, ["viewer"])


def test_only_a_superuser_can_make_a_superuser(as_stan, as_root, ada):
    save(as_stan, ada, is_superuser="on", user_permissions=[Permission.objects.all()[0].pk])
    ada.refresh_from_db()
    assert not ada.is_superuser
    assert not ada.user_permissions.exists()
    save(as_root, ada, is_superuser="on")
    ada.refresh_from_db()
    assert ada.is_superuser


def test_operator_cannot_change_a_superuser(as_stan, root):
    page = as_stan.get(page_of(root))
    assert 'name="_save"' not in page.content.decode()
    assert as_stan.post(page_of(root), {"username": "toor"}).status_code == 403
    answer = as_stan.post(f"{LIST}{root.pk}/password/", {"password1": "x", "password2": "x"})
    assert answer.status_code == 403
    assert User.objects.get(pk=root.pk).username == "root"


def test_operator_cannot_assign_a_group_with_more_permissions(as_stan, ada):
    above = Group.objects.create(name="above")
    above.permissions.add(Permission.objects.get(codename="delete_user"))
    answer = save(as_stan, ada, groups=[above.pk])
    assert answer.status_code == 200
    assert "groups" in answer.context["adminform"].form.errors
    assert not ada.groups.exists()


def test_only_a_superuser_can_change_the_permissions_of_a_group(as_stan, as_root):
    group = Group.objects.create(name="physics")
    permission = Permission.objects.get(codename="delete_user")
    address = f"/admin/auth/group/{group.pk}/change/"
    for client, count in ((as_stan, 0), (as_root, 1)):
        data = {**filled_in(client.get(address)), "permissions": [permission.pk]}
        assert client.post(address, data).status_code == 302
        assert group.permissions.count() == count


def test_support_can_view_the_page_but_not_change_it(as_sue, ada):
    page = text_of(as_sue.get(page_of(ada)))
    assert 'name="_save"' not in page
    assert f"/admin/quotas/grant/add/?user={ada.pk}" in page
    assert as_sue.post(page_of(ada), {"limit_projects": "50"}).status_code == 403


# --- What is done to many ---
def test_action_asks_for_confirmation_before_changing_anything(as_stan, ada, bob):
    for action in ("set_limits", "grant", "sign_out", "disable", "enable"):
        text = text_of(act(as_stan, action, ada, bob))
        assert "2 users" in text
        assert "ada" in text
    assert User.objects.filter(is_active=True, signed_out=None).count() == 3
    assert not LimitSet.objects.exists()


def test_setting_limits_for_many_people_leaves_empty_fields_alone(as_stan, stan, ada, bob):
    changes.set_own_limits(ada, {"running": 2, "builds": 9})
    fields = {"projects": "12", "running_inherit": "on", "confirmed": "yes"}
    assert act(as_stan, "set_limits", ada, bob, **fields).status_code == 302
    for user in (ada, bob):
        assert (limits_of(user).projects, limits_of(user).running) == (12, defaults()["running"])
    assert limits_of(ada).builds == 9
    assert LogEntry.objects.get_for_object(ada.limit_set).latest().actor == stan


@pytest.mark.parametrize("fields", [{}, {"projects": "1", "projects_inherit": "on"},
                                    {"projects": "x"}])  # fmt: skip
def test_setting_limits_for_many_people_refuses_empty_or_conflicting_input(as_stan, ada, fields):
    answer = act(as_stan, "set_limits", ada, confirmed="yes", **fields)
    assert answer.status_code == 200
    assert answer.context["form"].errors
    assert not LimitSet.objects.exists()


def test_grant_can_be_given_to_many_people_at_once(as_stan, stan, ada, bob):
    fields = {"limit": "projects", "value": "9", "until": soon(), "reason": "course"}
    act(as_stan, "grant", ada, bob, confirmed="yes", **fields)
    assert [limits_of(user).projects for user in (ada, bob)] == [9, 9]
    assert set(Grant.objects.values_list("given_by", flat=True)) == {stan.pk}


def test_support_cannot_grant_more_than_its_bounds_allow(as_sue, ada):
    fields = {"limit": "projects", "value": "11", "until": soon(), "reason": "course"}
    answer = act(as_sue, "grant", ada, confirmed="yes", **fields)
    assert "value" in answer.context["form"].errors
    assert not Grant.objects.exists()


def test_signing_a_person_out_ends_all_their_browsers_and_no_others(
    as_sue, ada, as_ada, as_bob, backend
):
    other = Client()
    other.force_login(ada)
    project = project_in(ProjectState.READY, ada)
    tickets.issue_ticket(ada, project, "some browser", "entrant")
    act(as_sue, "sign_out", ada, confirmed="yes")
    for client in (as_ada, other):
        assert client.get("/account/").status_code == 302
    assert as_bob.get("/account/").status_code == 200
    assert not Access.objects.exists()
    as_ada.login(username="ada", password="ada's password")
    assert as_ada.get("/account/").status_code == 200
    assert Project.objects.get().state == ProjectState.READY


def test_a_token_outlives_signing_out_but_not_disabling(ada, stan):
    secret = Token.objects.issue(ada, "laptop")[1]
    api = Client(headers={"Authorization": f"Bearer {secret}"})
    manage.sign_out(ada)
    assert api.get("/api/v1/me/").status_code == 200
    manage.disable(ada, stan)
    assert api.get("/api/v1/me/").status_code == 401


@pytest.mark.parametrize("stop", [True, False])
def test_disabling_signs_out_and_stops_notebooks_if_requested(as_stan, ada, as_ada, backend,
                                                                   stop):  # fmt: skip
    project_in(ProjectState.READY, ada)
    act(as_stan, "disable", ada, confirmed="yes", **({"stop": "on"} if stop else {}))
    assert as_ada.get("/account/").status_code == 302
    state = Project.objects.get().state
    assert state == (ProjectState.STOPPING if stop else ProjectState.READY)
    act(as_stan, "enable", ada, confirmed="yes")
    assert as_ada.login(username="ada", password="ada's password")


def test_disable_action_skips_oneself_and_superusers(as_stan, stan, root, ada):
    text = text_of(act(as_stan, "disable", stan, root, ada))
    assert "1 user" in text and "Skipped: you, and anyone" in text
    act(as_stan, "disable", stan, root, ada, confirmed="yes")
    assert set(User.objects.filter(is_active=False)) == {ada}


def test_actions_without_permission_do_nothing(as_sue, as_vera, ada):
    for client, action in ((as_sue, "disable"), (as_sue, "set_limits"), (as_vera, "sign_out")):
        act(client, action, ada, confirmed="yes", projects="50")
    assert User.objects.filter(is_active=True, signed_out=None, username="ada").exists()
    assert not LimitSet.objects.exists()


# --- The list ---
def test_list_shows_own_limits_and_grants(as_vera, ada):
    changes.set_own_limits(ada, {"projects": 8})
    until = timezone.localdate()
    Grant.objects.create(user=ada, limit="max_gpu", value=3, until=until, reason="course")
    text = text_of(as_vera.get(LIST))
    assert "projects: <b>8</b>" in text
    assert '<b>3 GPU</b> <span class="granted">granted until' in text


@pytest.mark.databases
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=ada@", {"ada"}),
        ("is_active__exact=0", {"bob"}),
        ("role=viewer", {"vera"}),
        ("role=superuser", {"root"}),
        ("role=none", {"ada", "bob"}),
        ("limits=own", {"ada"}),
        ("limits=grant", {"bob"}),
        ("seen=never", {"ada", "bob", "root"}),
        ("seen=1", {"vera"}),
        ("seen=before", set()),
    ],
)
def test_list_can_be_filtered(as_vera, vera, ada, bob, root, query, found):
    changes.set_own_limits(ada, {"projects": 8})
    Grant.objects.create(user=bob, limit="builds", value=3, until=timezone.localdate())
    User.objects.filter(pk=bob.pk).update(is_active=False)
    rows = as_vera.get(f"{LIST}?{query}").context["cl"].result_list
    assert {user.username for user in rows} == found


@pytest.mark.parametrize("path", [
    LIST, "/admin/auth/group/", "/admin/quotas/grant/", "/admin/keys/token/",
    "/admin/auditlog/logentry/", "/admin/portal/announcement/",
])  # fmt: skip
def test_number_of_queries_does_not_grow_with_the_rows(as_stan, backend, path):
    def grow(first: int, last: int) -> None:
        for number in range(first, last):
            user = User.objects.create_user(f"person{number}", is_staff=False)
            group = Group.objects.create(name=f"group {number}")
            user.groups.add(group)
            Announcement.objects.create(text=f"It is {number}.")
            changes.set_own_limits(user, {"projects": 5})
            changes.set_own_limits(group, {"running": 5})
            Grant.objects.create(user=user, limit="builds", value=9, until=timezone.localdate())
            Token.objects.issue(user, "laptop")
            project_in(ProjectState.READY, user)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert as_stan.get(path).status_code == 200
        return len(captured)

    grow(0, 2)
    queries()  # what is only asked once in a process is asked here
    few = queries()
    grow(2, 12)
    assert queries() == few


# --- The file ---
@pytest.mark.django_db(transaction=True)
async def test_people_export_quotes_formulas(stan, ada):
    await User.objects.filter(pk=ada.pk).aupdate(first_name='=HYPERLINK("x")', last_name="+1")
    client = AsyncClient()
    await client.aforce_login(stan)
    data = {"action": "export", ACTION_CHECKBOX_NAME: [ada.pk, stan.pk]}
    answer = await client.post(LIST, data)
    assert answer["Content-Type"].startswith("text/csv")
    body: Any = answer.streaming_content  # type: ignore[attr-defined]
    text = b"".join([part async for part in body]).decode()
    header, *rows = text.splitlines()
    assert header.startswith("username,name,email,groups,active")
    assert "memory_request_gb" in header
    assert {row.partition(",")[0] for row in rows} == {"ada", "stan"}
    assert "\"'=HYPERLINK" in text
