"""Staff find projects, sessions and builds, see their history, and act on many of them at once."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group
from django.test import AsyncClient
from django.utils import timezone

from portal.models import User
from quotas.models import LimitSet
from sessions import lifecycle
from sessions.admin.bulk_action import MAX_ROWS
from sessions.admin.display import format_duration
from sessions.models import Build, Project, Session
from sessions.states import BuildState, ProjectState, SessionState
from tests.conftest import signed_in
from tests.stages import COMMIT, project_in

pytestmark = pytest.mark.django_db

BASE = "/admin/notebook_sessions"


def listed(user: User, model: str, **query: str) -> set[int]:
    """Return the rows that a list shows."""
    answer = signed_in(user).get(f"{BASE}/{model}/", query)
    assert answer.status_code == 200
    return {row.pk for row in answer.context["cl"].result_list}


def act(user: User, model: str, deed: str, *rows, confirmed: bool = True, by: str = ""):
    data = {"action": deed, "_selected_action": [row.pk for row in rows]}
    if confirmed:
        data["confirmed"] = "yes"
    return signed_in(user).post(f"{BASE}/{model}/{by}", data, follow=True)


def told(answer) -> str:
    return " | ".join(str(message) for message in answer.context["messages"])


@pytest.fixture
def shelf(ada, bob, backend) -> dict[ProjectState, Project]:
    """A project in each state, ada's and bob's in turn."""
    User.objects.filter(pk=ada.pk).update(last_name="Lovelace")
    owners = [ada, bob]
    return {
        state: project_in(state, owners[n % 2], f"lab/{state}")
        for n, state in enumerate(ProjectState)
    }


# --- Finding ---
@pytest.mark.parametrize("state", ProjectState)
def test_projects_can_be_filtered_by_state(shelf, vera, state):
    assert listed(vera, "project", state=state) == {shelf[state].pk}


@pytest.mark.databases
def test_projects_can_be_searched_by_name_owner_and_commit(shelf, ada, vera):
    ready = shelf[ProjectState.READY]
    assert listed(vera, "project", q=ready.name) == {ready.pk}
    assert listed(vera, "project", q="lab/ready") == {ready.pk}
    mine = {project.pk for project in shelf.values() if project.owner_id == ada.pk}
    assert listed(vera, "project", q="ada") == mine
    assert ready.pk in listed(vera, "project", q=COMMIT[:7])


@pytest.mark.databases
def test_deleted_projects_are_listed_only_on_request(shelf, ada, vera):
    gone = shelf[ProjectState.STOPPED]
    lifecycle.delete(gone, gone.owner)
    assert gone.pk not in listed(vera, "project")
    assert listed(vera, "project", deleted="yes") == {gone.pk}
    assert listed(vera, "project", deleted="restorable") == {gone.pk}
    assert len(listed(vera, "project", deleted="all")) == len(shelf)
    lifecycle.delete(gone, gone.owner, for_good=True)
    assert listed(vera, "project", deleted="restorable") == set()
    assert listed(vera, "project", deleted="yes") == {gone.pk}


@pytest.mark.databases
def test_lists_can_be_filtered_by_provider_and_owner_group(shelf, ada, vera):
    physics = Group.objects.create(name="physics")
    ada.groups.add(physics)
    mine = {project.pk for project in shelf.values() if project.owner_id == ada.pk}
    assert listed(vera, "project", group=str(physics.pk)) == mine
    sessions = set(Session.objects.filter(project__owner=ada).values_list("pk", flat=True))
    assert listed(vera, "session", group=str(physics.pk)) == sessions
    assert len(listed(vera, "project", provider="gh")) == len(shelf)
    assert listed(vera, "project", provider="gitlab") == set()
    assert listed(vera, "project", group="x' OR 1=1") == listed(vera, "project")


@pytest.mark.databases
def test_sessions_and_builds_can_be_filtered_by_outcome(shelf, vera):
    failed = shelf[ProjectState.FAILED].current
    assert listed(vera, "session", code="build.requirements") == {failed.pk}
    assert listed(vera, "build", code="build.requirements") == {failed.build_id}
    assert listed(vera, "session", code="no.such") == set()
    live = set(Session.objects.live().values_list("pk", flat=True))
    assert listed(vera, "session", live="yes") == live
    assert listed(vera, "session", state__exact="ready") == {shelf[ProjectState.READY].current.pk}


@pytest.mark.databases
@pytest.mark.parametrize("model", ["project", "session", "build"])
def test_odd_queries_cause_no_server_error(shelf, vera, model):
    for query in ({"o": "1.2"}, {"q": "%' "}, {"p": "99"}):
        assert signed_in(vera).get(f"{BASE}/{model}/", query).status_code in {200, 302}
    assert signed_in(vera).get(f"{BASE}/{model}/", {"q": "%' \x00"}).status_code == 400


@pytest.mark.databases
def test_very_long_list_is_capped_and_says_so(vera, backend):
    builds = [Build(url="u", commit=str(n), image="i", state="built") for n in range(10_050)]
    Build.objects.bulk_create(builds)
    answer = signed_in(vera).get(f"{BASE}/build/", {"p": "200"})
    assert answer.context["cl"].result_count == 10_000
    assert "Only the first results are shown" in answer.content.decode()
    assert (
        "Only the first results are shown"
        not in signed_in(vera).get(f"{BASE}/session/").content.decode()
    )


@pytest.mark.databases
def test_sessions_can_be_searched_by_project_owner_and_node(shelf, ada, vera):
    ready = shelf[ProjectState.READY].current
    Session.objects.filter(pk=ready.pk).update(node="Node-7")
    assert listed(vera, "session", q="node-7") == {ready.pk}
    assert listed(vera, "session", q="lab/ready") == {ready.pk}
    mine = set(Session.objects.filter(project__owner=ada).values_list("pk", flat=True))
    assert listed(vera, "session", q="ada lab") == mine
    assert listed(vera, "session", q="nobody") == set()


@pytest.mark.parametrize("model", ["project", "session", "build"])
def test_number_of_queries_does_not_grow_with_the_rows(
    ada, bob, vera, backend, model, django_assert_max_num_queries
):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def queries() -> int:
        client = signed_in(vera)
        client.get(f"{BASE}/{model}/")
        with CaptureQueriesContext(
            connection,
        ) as found:
            assert client.get(f"{BASE}/{model}/").status_code == 200
        return len(found)

    project_in(ProjectState.BUILDING, ada)
    few = queries()
    for n in range(4):
        project_in(ProjectState.READY, bob, f"bob/{n}")
        project_in(ProjectState.FAILED, ada, f"ada/{n}")
    assert queries() == few <= 12


# --- Looking ---
def test_project_page_shows_its_timeline_and_links(shelf, vera):
    project = shelf[ProjectState.FAILED]
    page = signed_in(vera).get(f"{BASE}/project/{project.pk}/change/").content.decode()
    assert "Building the environment." in page
    assert "The packages cannot be installed." in page
    assert "waiting → failed: build.requirements" in page
    assert f"/projects/{project.name}/" in page
    assert f"{BASE}/session/{project.current.pk}/change/" in page
    assert f"{BASE}/build/{project.current.build_id}/change/" in page
    assert f"/admin/portal/user/{project.owner_id}/change/" in page


def test_session_page_shows_its_resources_and_why_it_ended(shelf, vera):
    session = shelf[ProjectState.FAILED].current
    Session.objects.filter(pk=session.pk).update(node="node-7")
    page = signed_in(vera).get(f"{BASE}/session/{session.pk}/change/").content.decode()
    for text in ("node-7", "1–8 CPU · 1–16 GB", "The packages cannot be installed."):
        assert text in page
    assert "node-7" in signed_in(vera).get(f"{BASE}/session/").content.decode()


def test_build_page_shows_its_log_and_who_is_waiting(shelf, vera):
    build = shelf[ProjectState.BUILDING].current.build
    page = signed_in(vera).get(f"{BASE}/build/{build.pk}/change/").content.decode()
    assert "error: no such package: nump" in page
    assert f'data-build="{build.pk}"' in page
    assert shelf[ProjectState.BUILDING].owner.username in page
    assert "build-log.js" in page


def test_build_output_is_escaped(shelf, vera):
    build = shelf[ProjectState.FAILED].current.build
    build.log.update(text="<script>alert(1)</script>")
    Build.objects.filter(pk=build.pk).update(message="<b>no</b>", ref="<i>")
    for address in (f"{BASE}/build/{build.pk}/change/", f"{BASE}/build/"):
        page = signed_in(vera).get(address).content.decode()
        assert "<script>alert" not in page
        assert "<b>no" not in page


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(7, "0:07"), (750, "12:30"), (3 * 3600 + 300, "3:05:00"), (2 * 86400 + 3 * 3600, "2 d 3:00")],
)
def test_durations_are_formatted_for_reading(seconds, text):
    begin = timezone.now()
    assert format_duration(begin, begin + timedelta(seconds=seconds)) == text


# --- Acting ---
def test_confirmation_names_the_affected_people_and_changes_nothing(shelf, ada, bob, sue):
    rows = [shelf[state] for state in ("ready", "building", "stopped")]
    answer = act(sue, "project", "stop", *rows, confirmed=False)
    page = answer.content.decode()
    assert "The running notebook is stopped" in page
    assert "The launch is cancelled." in page
    assert "1 does not change" in page
    concerned = {row.owner.username for row in rows[:2]}
    assert {name for name, _n in answer.context["affected_people"]} == concerned
    assert Project.objects.get(pk=rows[0].pk).state == ProjectState.READY


def test_support_stops_running_projects_and_is_told_which_were_not(shelf, sue):
    ready, stopped = shelf[ProjectState.READY], shelf[ProjectState.STOPPED]
    said = told(act(sue, "project", "stop", ready, stopped))
    assert f"Stop: {ready.name}" in said
    assert f"Not possible for {stopped.name}: The notebook is not running" in said
    assert Project.objects.get(pk=ready.pk).state == ProjectState.STOPPING
    entry = LogEntry.objects.get()
    assert (entry.user, entry.object_id, entry.change_message) == (sue, str(ready.pk), "Stop")


def test_support_deletes_and_rebuilds(shelf, sue):
    gone, failed = shelf[ProjectState.STOPPED], shelf[ProjectState.FAILED]
    act(sue, "project", "delete", gone)
    assert Project.objects.get(pk=gone.pk).removed
    page = signed_in(sue).get(f"{BASE}/project/{gone.pk}/change/").content.decode()
    assert "Deleted by sue." in page
    act(sue, "project", "rebuild", failed)
    failed = Project.objects.get(pk=failed.pk)
    assert failed.state == ProjectState.WAITING
    assert failed.current.force_build


def test_audit_log_records_restoring_and_permanent_deletion_by_support(shelf, sue):
    gone = [shelf[state] for state in (ProjectState.STOPPED, ProjectState.READY)]
    act(sue, "project", "delete", *gone)
    page = signed_in(sue).get(f"{BASE}/project/{gone[0].pk}/change/").content.decode()
    assert "deleted, restorable" in page
    assert ">Restore…<" in page and ">Delete for good…<" in page and ">Delete…<" not in page
    assert f'action="{BASE}/project/?deleted=all"' in page
    asked = act(sue, "project", "restore", *gone, confirmed=False, by="?deleted=all")
    asked = asked.content.decode()
    assert "The project comes back with its files, stopped" in asked
    said = told(act(sue, "project", "restore", *gone))
    assert "Restore: " in said
    assert not Project.objects.restorable().exists()
    act(sue, "project", "delete_for_good", gone[0])
    [row] = Project.objects.filter(removed__isnull=False)
    assert not row.is_restorable
    said = told(act(sue, "project", "restore", row, by="?deleted=yes"))
    assert f"Not possible for {row.name}: The project is gone for good" in said
    entries = LogEntry.objects.filter(object_id=str(row.pk)).order_by("pk")
    assert [(entry.user, entry.change_message) for entry in entries] == [
        (sue, "Delete"), (sue, "Restore"), (sue, "Delete for good"),
    ]  # fmt: skip


def test_restoring_respects_the_limit_of_the_owner(shelf, ada, sue):
    mine = [project for project in shelf.values() if project.owner == ada]
    act(sue, "project", "delete", *mine)
    LimitSet.objects.create(user=ada, projects=1)
    said = told(act(sue, "project", "restore", *mine))
    assert "Not possible for " in said
    assert Project.objects.existing().filter(owner=ada).count() == 1


def test_session_can_be_stopped_from_the_session_list(shelf, sue):
    session = shelf[ProjectState.READY].current
    act(sue, "session", "stop", session)
    assert Session.objects.get(pk=session.pk).state == SessionState.STOPPING


def test_stopping_an_ended_session_does_not_stop_the_next_one(shelf, ada, sue):
    project = shelf[ProjectState.STOPPED]
    old = project.current
    lifecycle.start(project, project.owner)
    said = told(act(sue, "session", "stop", old))
    assert "Not possible" in said
    assert Project.objects.get(pk=project.pk).state == ProjectState.WAITING


def test_cancelled_build_can_be_rebuilt_for_the_projects_that_waited(shelf, sue):
    project = shelf[ProjectState.BUILDING]
    build = project.current.build
    asked = act(sue, "build", "cancel", build, confirmed=False).content.decode()
    assert project.owner.username in asked
    act(sue, "build", "cancel", build)
    assert Build.objects.get(pk=build.pk).state == BuildState.CANCELLED
    project = Project.objects.get(pk=project.pk)
    assert (project.state, project.current.code) == (ProjectState.FAILED, "build.cancelled")
    act(sue, "build", "rebuild", build)
    assert Project.objects.get(pk=project.pk).state == ProjectState.WAITING
    said = told(act(sue, "build", "rebuild", shelf[ProjectState.READY].current.build))
    assert "No project has been waiting since it failed." in said


def test_page_offers_only_the_actions_that_are_possible(shelf, sue, vera):
    address = f"{BASE}/project/{shelf[ProjectState.READY].pk}/change/"
    page = signed_in(sue).get(address).content.decode()
    assert ">Stop…<" in page and ">Delete…<" in page and ">Rebuild…<" not in page
    page = signed_in(vera).get(address).content.decode()
    assert ">Stop…<" not in page and ">Delete…<" not in page


@pytest.mark.parametrize(
    ("model", "deed"),
    [("project", "stop"), ("project", "delete"), ("project", "rebuild"), ("project", "restore"),
     ("project", "delete_for_good"), ("session", "stop"), ("build", "cancel"),
     ("build", "rebuild")],
)  # fmt: skip
def test_viewers_and_owners_cannot_run_actions(shelf, ada, vera, model, deed):
    before = set(Project.objects.existing().values_list("pk", "current__state"))
    models: dict[str, Any] = {"project": Project, "session": Session, "build": Build}
    rows = models[model].objects.all()
    answer = act(vera, model, deed, *rows)
    assert "No action selected." in told(answer)
    act(ada, model, deed, *rows)
    assert set(Project.objects.existing().values_list("pk", "current__state")) == before


def test_action_on_too_many_rows_is_refused_with_a_message(ada, sue, backend):
    project = project_in(ProjectState.STOPPED, ada)
    rows = [
        Project(owner=ada, name=f"p{n}", provider="git", repository="r", url="u")
        for n in range(MAX_ROWS + 1)
    ]
    Project.objects.bulk_create(rows)
    data = {"action": "delete", "select_across": "1", "_selected_action": [project.pk]}
    answer = signed_in(sue).post(f"{BASE}/project/", data, follow=True)
    assert "You can select at most 200 at once." in told(answer)
    assert not Project.objects.filter(removed__isnull=False).exists()


# --- Taking along ---
async def file_of(user: User, model: str, **query: str) -> list[dict[str, str]]:
    client = AsyncClient()
    await client.aforce_login(user)
    data = {"action": "export", "select_across": "1", "_selected_action": ["0"]}
    address = f"{BASE}/{model}/?" + "&".join(f"{k}={v}" for k, v in query.items())
    answer: Any = await client.post(address, data)
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    text = "".join([piece.decode() async for piece in answer])
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.django_db(transaction=True)
async def test_export_contains_only_the_filtered_rows(shelf, vera):
    rows = await file_of(vera, "project", state="failed")
    assert [(row["state"], row["code"]) for row in rows] == [("failed", "build.requirements")]
    rows = await file_of(vera, "build")
    assert len(rows) == await Build.objects.acount()
    rows = await file_of(vera, "session")
    assert {row["cpu_limit"] for row in rows} == {"8.0"}


@pytest.mark.django_db(transaction=True)
async def test_export_quotes_formulas(shelf, vera):
    await Session.objects.aupdate(message='=HYPERLINK("http://x")', node="@SUM(1)")
    row = (await file_of(vera, "session"))[0]
    assert row["message"] == '\'=HYPERLINK("http://x")'
    assert row["node"] == "'@SUM(1)"


@pytest.mark.django_db(transaction=True)
async def test_export_of_a_long_list_is_complete(ada, vera, backend):
    builds = [Build(url="u", commit=str(n), image="i", state="built") for n in range(2345)]
    await Build.objects.abulk_create(builds)
    rows = await file_of(vera, "build")
    assert sorted(int(row["commit"]) for row in rows) == list(range(2345))
