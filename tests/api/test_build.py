"""BinderHub's build API: what its clients send, and the events that they get."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.test import Client

from keys.models import SCOPES, Token
from sessions import lifecycle
from sessions.gateway.authorize import Decision, authorize
from sessions.models import Build, Project, RepositoryRule, Session
from sessions.providers import launch_link, parse_repository
from sessions.states import ProjectState
from tests.asgi_requests import ask
from tests.making import with_token
from tests.pages.test_launch_links import ESCAPES
from tests.stages import COMMIT, LOG, project_in

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("backend", "quick_rechecks"),
]

EVENTS = {"Accept": "text/event-stream"}
SPEC = "gh/ada/flowers/main"
BOOK = "https://book.example.org"


async def _read(stream: AsyncIterator[bytes], count: int) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    async for piece in stream:
        found = (line.removeprefix("data: ") for line in piece.decode().splitlines())
        events += [json.loads(line) for line in found if line.startswith("{")]
        if len(events) >= count or (events and events[-1]["phase"] in {"ready", "failed"}):
            break
    return events


def events_of(answer: Any, count: int = 1000) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.content
    assert answer["Content-Type"] == "text/event-stream"
    return asyncio.run(_read(answer.streaming_content, count))


def test_a_launch_is_told_in_binderhubs_events(ada):
    api = with_token(ada)
    known = project_in(ProjectState.READY, ada)
    Session.objects.filter(project=known).update(address="unix:/run/1")
    first = api.get(f"/build/{SPEC}", headers=EVENTS)
    project = Project.objects.latest("pk")
    assert (project.repository, project.ref) == ("ada/flowers", "main")
    assert events_of(first, 2)[0] == {
        "phase": "waiting",
        "message": "Waiting for build to start...\n",
    }
    Project.objects.filter(pk=known.pk).update(link=project.link)
    lifecycle.cancel(project, ada)
    Project.objects.filter(pk=project.pk).update(link="")
    *before, ready = events_of(api.get(f"/build/{SPEC}", headers=EVENTS))
    assert {"phase": "building", "message": f"{LOG.splitlines()[1]}\n"} in before
    assert {"phase": "launching", "message": "Launching server...\n"} in before
    assert ready["url"] == known.notebook_url
    assert ready["message"] == f"server running at {known.notebook_url}\n"
    assert ready["binder_request"] == f"v2/{SPEC}"
    assert ready["binder_persistent_request"] == f"v2/gh/ada/flowers/{COMMIT}"
    assert ready["repo_url"] == "https://github.com/ada/flowers"
    assert ready["binder_ref_url"] == f"https://github.com/ada/flowers/tree/{COMMIT}"
    assert authorize(known.name, bearer=ready["token"]).decision is Decision.ALLOWED
    assert authorize(project.name, bearer=ready["token"]).decision is Decision.SIGN_IN


def test_a_build_alone_ends_with_the_image(ada, backend, worker, watch, url):
    api = with_token(ada, "launch")
    link = f"{launch_link(parse_repository(url)).replace('/v2/', '/build/')}?build_only=true"
    answer = api.get(link, headers=EVENTS)
    worker.run()
    build = Build.objects.get()
    backend.finish(build.pk)
    watch.look()
    *_before, built, ready = events_of(answer)
    message = {"message": "The image is ready.\n", "imageName": build.image}
    assert (built, ready) == ({"phase": "built", **message}, {"phase": "ready", **message})
    assert not backend.started_servers


def test_the_same_link_is_the_same_project(ada, bob):
    api = with_token(ada)
    for _time in range(2):
        assert events_of(api.get(f"/build/{SPEC}", headers=EVENTS), 1)
    project = Project.objects.get()
    lifecycle.cancel(project, ada)
    assert events_of(api.get(f"/build/{SPEC}", headers=EVENTS), 1)
    assert Session.objects.filter(project=project).count() == 2
    events_of(api.get("/build/gh/ada/flowers/dev", headers=EVENTS), 1)
    events_of(with_token(bob).get(f"/build/{SPEC}", headers=EVENTS), 1)
    assert Project.objects.count() == 3


def test_a_cancelled_launch_ends_with_a_failed_event(ada):
    answer = with_token(ada).get(f"/build/{SPEC}", headers=EVENTS)
    lifecycle.cancel(Project.objects.get(), ada)
    *_before, last = events_of(answer)
    assert last["phase"] == "failed"
    assert last["message"].startswith("Stopped by ada")


@pytest.mark.parametrize("site", ["same-site", "cross-site", "none", ""])
def test_a_cookie_starts_nothing_unless_the_portals_own_page_sends_it(as_ada, site):
    """A page at a notebook's host is of the same site as the portal."""
    headers = EVENTS | ({"Sec-Fetch-Site": site} if site else {})
    answer = as_ada.get(f"/build/{SPEC}", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "build.token-needed")
    assert not Project.objects.exists()
    own = as_ada.get(f"/build/{SPEC}", headers=EVENTS | {"Sec-Fetch-Site": "same-origin"})
    assert events_of(own, 1)
    assert Project.objects.exists()


@pytest.mark.parametrize("accept", ["text/html,*/*;q=0.8", "*/*", "application/json"])
def test_nothing_starts_unless_the_stream_is_asked_for(ada, accept):
    answer = with_token(ada).get(f"/build/{SPEC}", headers={"Accept": accept})
    assert answer.status_code == 406
    assert not Project.objects.exists()


@pytest.mark.parametrize(
    "accept", ["application/json, text/event-stream;q=0.5", "text/event-stream; charset=utf-8"]
)
def test_the_stream_may_be_asked_for_beside_others(ada, accept):
    assert events_of(with_token(ada).get(f"/build/{SPEC}", headers={"Accept": accept}), 1)


def test_a_head_and_a_post_start_nothing(ada):
    api = with_token(ada)
    for send in (api.head, api.post, api.options):
        assert send(f"/build/{SPEC}", headers=EVENTS).status_code == 405
    assert not Project.objects.exists()


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("nope/x/y", "No provider found for prefix “nope”"),
        ("gh/ada/flowers", "Did you mean “ada/flowers/HEAD”?"),
        ("", "No provider found"),
    ],
)
def test_a_refusal_is_a_status_and_the_event_that_clients_know(ada, spec, told):
    answer = with_token(ada).get(f"/build/{spec}", headers=EVENTS)
    body = answer.json()
    assert (answer.status_code, body["phase"], body["status_code"]) == (400, "failed", 400)
    assert told in body["message"]
    assert body["message"].endswith("\n")


@pytest.mark.parametrize(
    "link",
    [f"{SPEC}?labpath=%00", f"{SPEC}?build_token=%00", "gh/o/r/%00", f"{SPEC}?{'a=b&' * 2000}"],
)
def test_what_is_refused_before_the_view_is_an_event_too(ada, link):
    answer = with_token(ada).get(f"/build/{link}", headers=EVENTS)
    body = answer.json()
    assert (answer.status_code, body["code"]) == (400, "bad_request")
    assert (body["phase"], body["status_code"]) == ("failed", 400)
    assert body["message"] == f"{body['detail']}\n"


@pytest.mark.one_database
@pytest.mark.parametrize("provider", ["gh/o/r", "gl/g%2Fr", "git/https%3A%2F%2Fh.org%2Fr"])
async def test_no_escape_is_a_server_error(ada, settings, provider):
    settings.PORTAL_API_CHANGE_RATE = 0
    # Whatever is understood is refused after that, so that each answer ends.
    await RepositoryRule.objects.acreate(kind="allow", pattern="example.org/none/*")
    _token, secret = await sync_to_async(Token.objects.issue)(ada, "test", tuple(SCOPES))
    for spec in ESCAPES:
        for link in (spec, f"main?labpath={spec}", f"main?urlpath={spec}&build_only={spec}"):
            address = f"/build/{provider}/{link}"
            answer = await ask(
                address, Authorization=f"Bearer {secret}", Accept="text/event-stream"
            )
            assert answer.status_code == 400, link
            assert answer.json()["code"].startswith("launch."), link
    assert not await Project.objects.aexists()


def test_limits_and_bans_hold(ada, settings):
    api = with_token(ada)
    RepositoryRule.objects.create(pattern="https://github.com/ada/flowers*", kind="ban")
    banned = api.get(f"/build/{SPEC}", headers=EVENTS)
    assert banned.json()["code"].startswith("launch.repository-"), banned.content
    RepositoryRule.objects.all().delete()
    settings.PORTAL_API_CHANGE_RATE = 1
    api.get("/build/gh/ada/flowers", headers=EVENTS)
    answer = api.get(f"/build/{SPEC}", headers=EVENTS)
    assert answer.status_code == 429
    assert "Retry-After" in answer
    assert not Project.objects.exists()


def test_strangers_and_tokens_without_the_scopes_start_nothing(ada):
    assert Client().get(f"/build/{SPEC}", headers=EVENTS).status_code == 401
    for scopes in (["read", "notebook"], ["launch"]):
        secret = Token.objects.issue(ada, "test", scopes)[1]
        own = EVENTS | {"Authorization": f"Bearer {secret}"}
        answer = Client().get(f"/build/{SPEC}", headers=own)
        assert (answer.status_code, answer.json()["code"]) == (403, "token.scope")
    assert not Project.objects.exists()


def test_pages_of_listed_origins_may_ask_with_a_token(ada, settings):
    settings.PORTAL_CORS_ORIGINS = [BOOK]
    preflight = {"Origin": BOOK, "Access-Control-Request-Method": "GET"}
    asked = Client().options(f"/build/{SPEC}", headers=preflight)
    assert (asked.status_code, asked["Access-Control-Allow-Methods"]) == (204, "GET")
    answer = with_token(ada).get(f"/build/{SPEC}", headers=EVENTS | {"Origin": BOOK})
    assert answer["Access-Control-Allow-Origin"] == BOOK
    assert "Access-Control-Allow-Credentials" not in answer


@pytest.mark.parametrize("path", ["/versions", "/api/repoproviders"])
def test_what_a_binderhub_is_may_be_read_from_everywhere(path):
    answer = Client().get(path)
    assert answer.status_code == 200
    assert answer["Access-Control-Allow-Origin"] == "*"
    found = answer.json()
    if path == "/versions":
        assert {"builder_info", "binderhub"} == set(found)
    else:
        archives = ["zenodo", "figshare", "dataverse", "hydroshare", "ckan", "swh"]
        assert [each["id"] for each in found] == ["gh", "gist", "git", "gl", *archives]
