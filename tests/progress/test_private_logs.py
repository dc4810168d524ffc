"""Build logs of a private repository are for its owner alone; staff see the progress."""

from __future__ import annotations

import asyncio
import json
from typing import Any, cast

import pytest
from asgiref.sync import sync_to_async
from django.http import StreamingHttpResponse
from django.test import AsyncClient
from django.urls import reverse

from keys.models import Token
from portal.models import User
from sessions.backends import LogLines
from sessions.models import Build, Project
from sessions.progress import journal
from sessions.states import Phase, ProjectState
from tests.conftest import signed_in
from tests.readers import Reader, cookie_of, reading
from tests.stages import LOG, project_in

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.one_database]

ADDRESS = "git@git.example.org:ada/diary.git"
SECRET = LOG.split("\n")[1]
CLOSED = "Only its owner can see the log"


@pytest.fixture
def failed(ada, backend) -> Project:
    return project_in(ProjectState.FAILED, ada, ADDRESS)


def build_of(project: Project) -> Build:
    assert project.current
    assert project.current.build
    return project.current.build


def socket(path: str, user: User | None) -> Reader:
    return reading(path, *([cookie_of(user)] if user else []))


def test_a_project_fetched_with_a_key_is_private(ada, backend):
    assert project_in(ProjectState.WAITING, ada, ADDRESS).is_private
    assert not project_in(ProjectState.WAITING, ada).is_private


def test_the_owner_reads_the_log_on_every_page_and_in_the_api(failed, as_ada):
    page = as_ada.get(reverse("project", args=[failed.name])).content.decode()
    assert page.count("no such package") == 2  # what matters, and the log without a script
    assert CLOSED not in page
    assert as_ada.get(reverse("log", args=[failed.name])).status_code == 200
    events = as_ada.get(f"/api/v1/projects/{failed.name}/events/").json()["events"]
    assert [item["message"] for item in events if item.get("log")] == [LOG]


@pytest.mark.parametrize("name", ["vera", "stan", "root"])
def test_staff_see_the_progress_and_a_notice_instead_of_the_log(failed, name, request):
    user = request.getfixturevalue(name)
    client = signed_in(user)
    for path in (reverse("project", args=[failed.name]), reverse("status", args=[failed.name])):
        page = client.get(path).content.decode()
        assert "no such package" not in page
        assert "Only the owner can see this message." in page
        assert "build.requirements" in page
    assert CLOSED in client.get(reverse("project", args=[failed.name])).content.decode()
    assert client.get(reverse("log", args=[failed.name])).status_code == 404
    events = client.get(f"/api/v1/projects/{failed.name}/events/").json()["events"]
    assert [item["phase"] for item in events] == ["waiting", "fetching", "failed"]
    assert not any(item.get("log") for item in events)


@pytest.mark.parametrize("name", ["vera", "stan", "root"])
def test_the_admin_shows_a_notice_instead_of_the_log(failed, name, request):
    client, build = signed_in(request.getfixturevalue(name)), build_of(failed)
    page = client.get(reverse("admin:notebook_sessions_build_change", args=[build.pk]))
    assert page.status_code == 200
    text = page.content.decode()
    assert SECRET not in text
    assert CLOSED in text
    assert "build.requirements" in text
    assert ">ada</a>" in text
    assert client.get(reverse("admin:build_log", args=[build.pk])).status_code == 404


def test_staff_read_the_log_of_their_own_build_in_the_admin(stan, as_stan, backend):
    build = build_of(project_in(ProjectState.FAILED, stan, ADDRESS))
    page = as_stan.get(reverse("admin:notebook_sessions_build_change", args=[build.pk]))
    assert SECRET in page.content.decode()
    assert as_stan.get(reverse("admin:build_log", args=[build.pk])).status_code == 200


def test_staff_read_the_log_of_a_public_repository(ada, as_vera, backend):
    project = project_in(ProjectState.FAILED, ada)
    build = build_of(project)
    page = as_vera.get(reverse("admin:notebook_sessions_build_change", args=[build.pk]))
    assert SECRET in page.content.decode()
    assert as_vera.get(reverse("log", args=[project.name])).status_code == 200
    assert (
        "no such package" in as_vera.get(reverse("project", args=[project.name])).content.decode()
    )


@pytest.mark.parametrize("name", ["bob", None])
def test_other_people_see_no_page_of_a_private_project(failed, name, request, as_eve):
    client = signed_in(request.getfixturevalue(name)) if name else as_eve
    build = build_of(failed)
    for path in (
        reverse("project", args=[failed.name]),
        reverse("log", args=[failed.name]),
        f"/api/v1/projects/{failed.name}/events/",
        reverse("admin:notebook_sessions_build_change", args=[build.pk]),
        reverse("admin:build_log", args=[build.pk]),
    ):
        answer = client.get(path)
        assert answer.status_code in {302, 401, 403, 404}, path
        assert b"no such package" not in answer.content


async def test_the_project_socket_sends_staff_events_but_no_log(ada, vera, backend):
    project = await sync_to_async(project_in)(ProjectState.BUILDING, ada, ADDRESS)
    assert project.current
    build, path = build_of(project), f"/ws/projects/{project.name}/"
    of_ada = await sync_to_async(socket)(path, ada)
    of_vera = await sync_to_async(socket)(path, vera)
    for reader in (of_ada, of_vera):
        assert (await reader.connect())[0]
    await sync_to_async(build.refresh_from_db)()
    await sync_to_async(journal.append)(build, LogLines("building", "secret line", "2"))
    await sync_to_async(journal.record)(project.current, Phase.BUILT, "done", build=build)
    told = {"ada": await heard(of_ada), "vera": await heard(of_vera)}
    assert [item["message"] for item in told["ada"] if item.get("log")] == [LOG, "secret line"]
    assert [item["phase"] for item in told["vera"]] == ["waiting", "fetching", "built"]
    assert not any(item.get("log") for item in told["vera"])


async def heard(reader: Reader) -> list[dict[str, Any]]:
    """Return all messages until the one that the build is ready."""
    items: list[dict[str, Any]] = []
    while not items or items[-1]["phase"] != "built":
        items.append(await reader.receive_json_from(timeout=10))
    await reader.disconnect()
    return items


async def test_the_log_socket_of_a_private_build_opens_only_for_staff_who_own_it(
    ada, bob, vera, stan, root, backend
):
    project = await sync_to_async(project_in)(ProjectState.BUILDING, ada, ADDRESS)
    for user in (ada, bob, vera, root, None):  # ada is no staff: hers is the story
        reader = await sync_to_async(socket)(f"/ws/builds/{build_of(project).pk}/", user)
        assert not (await reader.connect())[0]
    own = await sync_to_async(project_in)(ProjectState.BUILDING, stan, ADDRESS)
    reader = await sync_to_async(socket)(f"/ws/builds/{build_of(own).pk}/", stan)
    assert (await reader.connect())[0]
    assert (await reader.receive_json_from(timeout=10))["message"] == LOG
    await reader.disconnect()


@pytest.mark.parametrize(("name", "logs"), [("ada", 1), ("vera", 0)])
async def test_the_event_stream_sends_the_log_only_to_the_owner(ada, vera, backend, name, logs):
    project = await sync_to_async(project_in)(ProjectState.FAILED, ada, ADDRESS)
    secret = (await sync_to_async(Token.objects.issue)({"ada": ada, "vera": vera}[name], "test"))[1]
    answer = await AsyncClient().get(
        f"/api/v1/projects/{project.name}/events/",
        headers={"accept": "text/event-stream", "authorization": f"Bearer {secret}"},
    )
    text = ""
    async with asyncio.timeout(20):
        async for part in cast(StreamingHttpResponse, answer):
            text += part.decode()
            if '"failed"' in text:
                break
    items = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]
    assert sum(bool(item.get("log")) for item in items) == logs
