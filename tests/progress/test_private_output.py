"""Output of builds and notebooks of a private repository is for its owner alone."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.test import AsyncClient, Client
from hypothesis import given
from hypothesis import strategies as st

from portal.models import User
from sessions import disclosure
from sessions.backends import LogLines
from sessions.lifecycle.ending import fail
from sessions.models import Build, Event, Project, Session
from sessions.progress import journal
from sessions.states import Phase, ProjectState, SessionState
from tests.conftest import signed_in
from tests.making import with_token
from tests.readers import cookie_of, reading
from tests.stages import project_in

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.one_database]

PRIVATE = "git@git.example.org:ada/diary.git"
SECRET = "my bank password is xyzzy"
STAFF = ["vera", "sue", "stan", "root"]
INSTEAD = "Only the owner can see this message."


def ended(owner: User, repository: str = PRIVATE) -> Project:
    """Make a project whose notebook has failed; its messages, a warning and file names contain the
    secret.
    """
    project = project_in(ProjectState.READY, owner, repository)
    assert project.current
    session, build = project.current, project.current.build
    Build.objects.filter(pk=build.pk).update(
        code="build.dockerfile", message=f"Step 2 of 5 (RUN echo {SECRET}) failed", resources=SECRET
    )
    journal.record(session, Phase.WAITING, f"Line 3 of .resources: {SECRET}")
    journal.record(session, Phase.LAUNCHING, f"One file could not be read: {SECRET}.")
    message = f"JupyterLab exited by itself (status 7). Its last lines:\n{SECRET}"
    fail(session, "spawn.crashed", message, by="watch")
    return Project.objects.select_related("current__build", "owner").get(pk=project.pk)


@pytest.fixture
def project(ada, backend) -> Project:
    return ended(ada)


def places(project: Project) -> list[str]:
    session, base = project.current, "/admin/notebook_sessions"
    assert session
    return [
        f"/projects/{project.name}/",
        f"/projects/{project.name}/status/",
        f"/api/v1/projects/{project.name}/",
        f"/api/v1/projects/{project.name}/events/",
        f"/api/v1/projects/?owner={project.owner.username}",
        "/api/v1/projects/?owner=all",
        f"{base}/project/",
        f"{base}/project/{project.pk}/change/",
        f"{base}/session/",
        f"{base}/session/{session.pk}/change/",
        f"{base}/build/",
        f"{base}/build/{session.build_id}/change/",
        f"{base}/build/{session.build_id}/log.txt",
        f"/admin/portal/user/{project.owner_id}/change/",
        f"{base}/session/?q=xyzzy",
        f"{base}/build/?q=xyzzy",
        "/admin/",
        "/admin/auditlog/logentry/",
        "/admin/usage.csv?by=all",
    ]


def text_of(answer: Any) -> str:
    body = async_to_sync(whole)(answer.streaming_content) if answer.streaming else answer.content
    text: str = body.decode()
    return text


async def whole(pieces: Any) -> bytes:
    return b"".join([piece async for piece in pieces])


@pytest.mark.parametrize("name", STAFF)
def test_staff_read_private_output_nowhere(project, name, request):
    user = request.getfixturevalue(name)
    for client in (signed_in(user), with_token(user)):
        for address in places(project):
            assert SECRET not in text_of(client.get(address)), address


@pytest.mark.parametrize("name", STAFF)
def test_staff_read_the_code_and_a_notice_instead_of_the_message(project, name, request):
    client = signed_in(request.getfixturevalue(name))
    page = text_of(client.get(f"/projects/{project.name}/"))
    assert INSTEAD in page
    assert "spawn.crashed" in page
    answer = client.get(f"/api/v1/projects/{project.name}/").json()
    assert (answer["code"], answer["message"]) == ("spawn.crashed", INSTEAD)
    row = text_of(client.get(f"/admin/notebook_sessions/session/{project.current.pk}/change/"))
    assert INSTEAD in row
    assert "spawn.crashed" in row


def test_the_owner_reads_all_output(project, ada, as_ada):
    page = text_of(as_ada.get(f"/projects/{project.name}/"))
    assert page.count(SECRET) == 5  # the failure, three events, and a line of .resources
    for client in (as_ada, with_token(ada)):
        assert SECRET in client.get(f"/api/v1/projects/{project.name}/").json()["message"]
        assert SECRET in client.get("/api/v1/projects/").json()[0]["message"]
        events = client.get(f"/api/v1/projects/{project.name}/events/").json()["events"]
        assert sum(SECRET in item["message"] for item in events) == 3


def test_only_the_owner_reads_notes_on_the_repositorys_files(project, ada, vera):
    block = f"── Files of the repository\nNote: The submodule {SECRET} is empty.\n── Building"
    journal.append(project.current.build, LogLines("building", block, "2"))
    for user, count in ((ada, 2), (vera, 0)):
        notes = with_token(user).get(f"/api/v1/projects/{project.name}/").json()["notes"]
        assert [SECRET in note for note in notes] == [True] * count
        page = text_of(signed_in(user).get(f"/projects/{project.name}/status/"))
        assert page.count(f"<div>Note: The submodule {SECRET}") == (user == ada)
        assert page.count(f"of .resources is ignored: “{SECRET}”") == (user == ada)


def test_an_api_action_of_the_owner_returns_the_whole_message(project, ada, backend):
    answer = with_token(ada).post(f"/api/v1/projects/{project.name}/keep/")
    assert SECRET in answer.json()["message"]


def test_staff_read_the_output_of_a_public_repository(ada, backend, as_vera):
    project = ended(ada, "ada/flowers")
    for address in places(project)[:4]:
        assert SECRET in text_of(as_vera.get(address)), address


@pytest.mark.parametrize("model", ["session", "build", "project"])
async def test_an_admin_export_contains_no_private_output(project, stan, root, model):
    for user in (stan, root):
        client = AsyncClient()
        await client.aforce_login(user)
        rows = {"session": project.current.pk, "build": project.current.build_id}
        data = {"action": "export", ACTION_CHECKBOX_NAME: [rows.get(model, project.pk)]}
        answer = await client.post(f"/admin/notebook_sessions/{model}/", data)
        text = (await whole(answer.streaming_content)).decode()  # type: ignore[attr-defined]
        assert len(text.splitlines()) == 2
        assert SECRET not in text


async def test_a_live_socket_sends_private_output_only_to_the_owner(project, ada, vera):
    for user, count in ((ada, 3), (vera, 0)):
        cookie = await sync_to_async(cookie_of)(user)
        reader = reading(f"/ws/projects/{project.name}/", cookie)
        assert (await reader.connect())[0]
        items: list[dict[str, Any]] = []
        while not items or items[-1]["phase"] != "failed":
            items.append(await reader.receive_json_from(timeout=10))
        await reader.disconnect()
        assert sum(SECRET in item["message"] for item in items) == count
        assert {"waiting", "launching", "failed"} <= {item["phase"] for item in items}


def test_staff_read_why_a_private_launch_is_waiting(ada, backend, as_sue):
    """Support cannot help otherwise; it quotes nothing."""
    project = project_in(ProjectState.BUILDING, ada, PRIVATE)
    said = "No GPU is free right now. Your notebook is number 1 in the queue."
    Session.objects.filter(project=project).update(code="spawn.no-gpu-free", message=said)
    assert as_sue.get(f"/api/v1/projects/{project.name}/").json()["message"] == said
    events = as_sue.get(f"/api/v1/projects/{project.name}/events/").json()["events"]
    assert events[0]["message"].startswith("Launched by ada")


@given(st.text(), st.text(max_size=64), st.sampled_from(["", *Phase.values]))
def test_messages_with_codes_not_listed_as_public_are_redacted(message, code, phase):
    if not message or code in disclosure.PUBLIC_CODES:
        return
    if code or phase in {Phase.WAITING, Phase.LAUNCHING}:
        assert disclosure.redact(message, code, phase) == INSTEAD


def test_other_people_see_no_output_at_all(project, as_bob, as_eve):
    clients: list[Client] = [as_bob, as_eve]
    for client in clients:
        for address in places(project):
            assert SECRET not in text_of(client.get(address)), address
    assert Event.objects.filter(message__contains=SECRET).count() == 3
    assert Session.objects.get().state == SessionState.FAILED
