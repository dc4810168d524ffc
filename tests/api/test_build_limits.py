"""The build API obeys the bans, limits and rates of the launch form and of ``/api/v1/``."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.conf import settings as current
from django.core.cache import cache
from django.db import connections
from django.test import Client

from portal.asgi import Application, behind_proxies
from quotas import changes
from sessions import lifecycle
from sessions.models import Project, RepositoryRule
from sessions.states import ProjectState
from tests.making import with_token
from tests.stages import project_in

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.one_database,  # about the same rules everywhere, not how they are stored
    pytest.mark.usefixtures("backend", "quick_rechecks"),
]

EVENTS = {"Accept": "text/event-stream"}
SPEC = "gh/ada/flowers/main"


@pytest.fixture(autouse=True)
def minute(monkeypatch, settings) -> None:
    """A minute that stands still."""
    now = 60.0 * (time.time() // 60)
    monkeypatch.setattr("sessions.api.throttles.time.time", lambda: now + 20)


def build(client: Client, spec: str = SPEC, **query: str) -> Any:
    return client.get(f"/build/{spec}", query, headers=EVENTS)


def by_api(client: Client, repository: str = "ada/flowers") -> Any:
    wish = {"repository": repository}
    return client.post("/api/v1/projects/", wish, content_type="application/json")


def by_form(client: Client) -> Any:
    return client.post("/launch/", {"repository": "ada/flowers"})


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ({"kind": "ban", "pattern": "github.com/ada/*"}, "launch.repository-banned"),
        ({"kind": "allow", "pattern": "github.com/bob/*"}, "launch.repository-not-allowed"),
    ],
)
def test_what_is_banned_is_refused_in_the_same_words(ada, as_ada, rule, code):
    RepositoryRule.objects.create(**rule, reason="It mines coins." * (rule["kind"] == "ban"))
    api = with_token(ada)
    refused = by_api(api).json()
    assert refused["code"] == code
    for spec in (SPEC, f"git/{quote('https://www.GitHub.com/ada/flowers.git', safe='')}/main"):
        for query in ({}, {"build_only": "true"}):
            answer = build(api, spec, **query)
            assert (answer.status_code, answer.json()["code"]) == (400, code)
            assert answer.json()["message"] == f"{refused['detail']}\n"
    assert refused["detail"] in by_form(as_ada).content.decode()
    assert not Project.objects.exists()


def test_a_banned_content_is_refused(ada):
    RepositoryRule.objects.create(pattern="github.com/evil/*")
    answer = build(with_token(ada), content="https://github.com/evil/files")
    assert (answer.status_code, answer.json()["code"]) == (400, "launch.repository-banned")
    assert not Project.objects.exists()


def test_a_ban_ends_joining_what_runs_already(ada):
    api = with_token(ada)
    assert build(api).status_code == 200
    RepositoryRule.objects.create(pattern="github.com/ada/*")
    assert build(api).status_code == 400


@pytest.mark.parametrize(
    ("limits", "code"),
    [({"projects": 1}, "quota.projects"), ({"running": 1}, "quota.running"),
     ({"total_memory_gb": 0.1}, "quota.memory")],
)  # fmt: skip
def test_a_limit_is_refused_as_elsewhere(ada, limits, code):
    project_in(ProjectState.READY, ada, "ada/trees")
    changes.set_own_limits(ada, limits)
    api = with_token(ada)
    expected, answer = by_api(api), build(api)
    assert (expected.status_code, expected.json()["code"]) == (409, code)
    assert (answer.status_code, answer.json()["code"]) == (409, code)
    assert answer.json()["detail"] == expected.json()["detail"]
    assert Project.objects.count() == 1


def test_changes_by_form_api_and_builds_share_one_rate(ada, as_ada, bob, settings):
    settings.PORTAL_API_CHANGE_RATE = 3
    api, other = with_token(ada), with_token(ada)
    own_page = {**EVENTS, "Sec-Fetch-Site": "same-origin"}
    found = [by_api(api), build(other), by_form(as_ada), build(api), build(other), by_api(api)]
    assert [answer.status_code for answer in found] == [201, 200, 303, 429, 429, 429]
    assert as_ada.get(f"/build/{SPEC}", headers=own_page).status_code == 429
    assert found[3]["Retry-After"] == found[5]["Retry-After"] == "40"
    assert build(with_token(bob)).status_code == 200
    assert Project.objects.filter(owner=ada).count() == 3


def test_a_repeated_request_for_the_same_link_counts_each_time(ada, settings):
    settings.PORTAL_API_CHANGE_RATE = 2
    api = with_token(ada)
    assert [build(api).status_code for _time in range(3)] == [200, 200, 429]
    lifecycle.cancel(Project.objects.get(), ada)
    assert build(api).status_code == 429


def test_guessing_tokens_throttles_the_address_but_not_valid_tokens(ada, settings):
    settings.PORTAL_API_STRANGER_RATE = 3
    wrong = Client(headers={"Authorization": "Bearer bdy_wrong"})
    found = [build(wrong), build(Client()), wrong.get("/api/v1/me/"), build(wrong), build(Client())]
    assert [answer.status_code for answer in found] == [401, 401, 401, 429, 429]
    assert build(Client(REMOTE_ADDR="192.0.2.7")).status_code == 401
    assert build(with_token(ada)).status_code == 200


def test_what_may_not_be_done_counts_too(ada, as_ada, settings):
    settings.PORTAL_API_STRANGER_RATE = settings.PORTAL_API_CHANGE_RATE = 2
    elsewhere = {**EVENTS, "Sec-Fetch-Site": "same-site"}  # a notebook's page, in her name
    found = [as_ada.get(f"/build/{SPEC}", headers=elsewhere).status_code for _time in range(3)]
    assert found == [403, 403, 429]
    reader = with_token(ada, "read")
    for ask in (build, by_api):
        cache.clear()
        assert [ask(reader).status_code for _time in range(3)] == [403, 403, 429]


@pytest.mark.parametrize("path", [f"/build/{SPEC}", "/api/v1/me/"])
@pytest.mark.parametrize(
    ("peer", "statuses"),
    [
        ("10.1.2.3", [401, 401, 401, 401]),  # a proxy of ours: whom it names counts
        ("192.0.2.5", [401, 401, 429, 429]),  # anybody may name anybody
    ],
)
async def test_only_a_trusted_proxy_says_whose_address_counts(settings, peer, statuses, path):
    settings.PORTAL_TRUSTED_PROXIES = ["10.0.0.0/8"]
    settings.PORTAL_API_STRANGER_RATE = 2
    portal: Any = behind_proxies(Application())
    transport = httpx.ASGITransport(app=portal, client=(peer, 1234))
    found = []
    async with (
        ThreadSensitiveContext(),  # one thread for all requests, and its connection
        httpx.AsyncClient(transport=transport, base_url=current.PORTAL_URL) as client,
    ):
        for number in range(4):
            named = {"X-Forwarded-For": f"198.51.100.{number}"}
            found.append((await client.get(path, headers=named)).status_code)
        await sync_to_async(connections.close_all)()
    assert found == statuses
