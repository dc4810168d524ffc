"""The REST API: its contract, its errors, and who may reach what."""

from __future__ import annotations

import json

import pytest
from django.test import Client

from keys.models import Token
from sessions.backends import LogLines
from sessions.models import Build, Project, Session
from sessions.progress.journal import append
from tests.making import with_token

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("backend")]

FIELDS = {
    "content",
    "name",
    "repository",
    "provider",
    "ref",
    "commit",
    "path",
    "urlpath",
    "state",
    "message",
    "code",
    "url",
    "resources",
    "files",
    "created",
    "last_activity",
    "deletes_at",
    "notes",
    "safe_mode",
}


def post(client: Client, address: str, **data):
    return client.post(f"/api/v1/{address}", data, content_type="application/json")


def test_a_token_launches_lists_and_deletes(ada, url):
    api = with_token(ada)
    answer = post(api, "projects/", repository=url, ref="main", path="index.ipynb")
    assert answer.status_code == 201
    assert set(answer.json()) == FIELDS
    assert answer.json()["state"] == "waiting"
    assert answer.json()["resources"] == {
        "cpu_request": 1,
        "cpu_limit": 8,
        "memory_request_gb": 1,
        "memory_limit_gb": 16,
        "gpu": 0,
        "gpu_type": "",
        "runs_on": "",
    }
    name = answer.json()["name"]
    assert [row["name"] for row in api.get("/api/v1/projects/").json()] == [name]
    assert api.get("/api/v1/me/").json()["usage"] == {
        "projects": 1,
        "running": 1,
        "cpu": 1.0,
        "memory_gb": 1.0,
        "gpu": 0,
    }
    assert api.delete(f"/api/v1/projects/{name}/").status_code == 202
    assert api.get(f"/api/v1/projects/{name}/").status_code == 404
    assert api.get("/api/v1/projects/").json() == []


def test_actions_return_the_project_or_409_when_its_state_forbids_them(ada, project):
    api = with_token(ada)
    answer = post(api, f"projects/{project.name}/start/")
    assert (answer.status_code, answer.json()["code"]) == (409, "project.state")
    answer = post(api, f"projects/{project.name}/cancel/")
    assert (answer.status_code, answer.json()["state"]) == (202, "stopped")
    for verb, state in (("stop", 409), ("cancel", 409), ("keep", 202), ("start", 202)):
        assert post(api, f"projects/{project.name}/{verb}/").status_code == state, verb
    assert post(api, f"projects/{project.name}/stop/").status_code == 202
    assert post(api, f"projects/{project.name}/rebuild/").status_code == 202
    assert post(api, f"projects/{project.name}/destroy/").status_code == 404


def test_invalid_input_is_400_with_a_code(ada, backend):
    api = with_token(ada)
    for repository in ("", "x" * 10_000, "--upload-pack=x", "ext::sh -c x", "file:///etc"):
        answer = post(api, "projects/", repository=repository)
        assert answer.status_code == 400
        assert answer.json()["code"].startswith("launch.")
        assert answer.json()["detail"]
    assert post(api, "projects/").json()["code"] == "invalid"
    answer = api.post("/api/v1/projects/", "{not json", content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, "parse_error")
    assert not Project.objects.exists()


def test_whatever_leads_to_a_repository_is_launched_or_refused_with_a_code(ada, backend):
    badge = (
        "[![Binder](https://mybinder.org/badge.svg)](https://mybinder.org/v2/gh/o/r/v1?labpath=a)"
    )
    told = post(with_token(ada), "projects/", repository=badge).json()
    assert [told[each] for each in ("provider", "repository", "ref", "path")] == [
        "gh", "o/r", "v1", "a",
    ]  # fmt: skip
    told = post(with_token(ada), "projects/", repository="doi:10.5281/zenodo.3242074").json()
    assert (told["provider"], told["repository"]) == ("zenodo", "10.5281/zenodo.3242074")


def test_where_a_launch_link_leads_can_be_read_and_asked_for(ada, backend):
    api = with_token(ada)
    for link, path, urlpath in (
        ("/v2/gh/ada/flowers/main?labpath=nb/a.ipynb", "nb/a.ipynb", "doc/tree"),
        ("/v2/gh/ada/flowers/main?urlpath=rstudio/%3Fa%3Db", "", "rstudio/?a=b"),
    ):
        first = post(api, "projects/", repository=link).json()
        assert (first["path"], first["urlpath"]) == (path, urlpath)
        same = {name: first[name] for name in ("repository", "ref", "path", "urlpath")}
        again = post(api, "projects/", **same).json()
        assert {name: again[name] for name in same} == same
    typed = post(api, "projects/", repository=link, urlpath="/lab/").json()
    assert (typed["path"], typed["urlpath"]) == ("", "lab")
    refused = post(api, "projects/", repository="ada/flowers", urlpath="a\\b")
    assert (refused.status_code, refused.json()["code"]) == (400, "launch.path-not-understood")


def test_a_sixth_project_is_409_and_lists_the_five_that_count(ada, url):
    api = with_token(ada)
    names = [post(api, "projects/", repository=url).json()["name"] for _ in range(5)]
    answer = post(api, "projects/", repository=url)
    assert (answer.status_code, answer.json()["code"]) == (409, "quota.projects")
    assert {project["name"] for project in answer.json()["projects"]} == set(names)


@pytest.mark.parametrize("verb", ["start", "stop", "keep", "rebuild", "cancel"])
def test_other_people_cannot_act_on_a_project(project, bob, verb):
    assert post(with_token(bob), f"projects/{project.name}/{verb}/").status_code == 404
    assert post(Client(), f"projects/{project.name}/{verb}/").status_code == 401
    assert Project.objects.get().state == "waiting"


@pytest.mark.parametrize("path", ["", "events/"])
def test_other_people_cannot_see_a_project_but_staff_can(project, bob, stan, path):
    address = f"/api/v1/projects/{project.name}/{path}"
    assert with_token(bob).get(address).status_code == 404
    assert Client().get(address).status_code == 401
    assert with_token(stan).get(address).status_code == 200
    assert with_token(bob).delete(f"/api/v1/projects/{project.name}/").status_code == 404


def test_somebody_elses_project_looks_like_a_missing_one(project, bob):
    api = with_token(bob)
    theirs = api.get(f"/api/v1/projects/{project.name}/")
    nobodys = api.get("/api/v1/projects/no-such-project/")
    assert (theirs.status_code, theirs.content) == (nobodys.status_code, nobodys.content)


def test_staff_list_only_their_own_projects(project, stan):
    assert with_token(stan).get("/api/v1/projects/").json() == []


def test_unknown_expired_and_disabled_tokens_are_401(ada):
    for secret in ("", "nonsense", "bdy_" + "x" * 43):
        api = Client(headers={"Authorization": f"Bearer {secret}"})
        assert api.get("/api/v1/me/").status_code == 401
    api = with_token(ada)
    assert api.get("/api/v1/me/").status_code == 200
    Token.objects.update(expires="2001-01-01T00:00:00Z")
    answer = api.get("/api/v1/me/")
    assert (answer.status_code, answer.json()["code"]) == (401, "token.invalid")
    Token.objects.update(expires=None)
    ada.is_active = False
    ada.save()
    assert api.get("/api/v1/me/").status_code == 401


def test_a_token_is_not_stored_in_plain_text(ada):
    token, secret = Token.objects.issue(ada, "laptop")
    token.refresh_from_db()
    assert secret not in json.dumps(vars(token), default=str)


def test_a_browser_needs_a_csrf_token_to_write(ada, url):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(ada)
    assert browser.get("/api/v1/projects/").status_code == 200
    assert post(browser, "projects/", repository=url).status_code == 403
    assert not Project.objects.exists()


def test_one_project_says_what_became_of_the_repositorys_files(ada, project):
    build = Build.objects.create(url=project.url, commit="c0ffee", image="i", resources="x=1\n")
    address = f"/api/v1/projects/{project.name}/"
    assert with_token(ada).get(address).json()["notes"] == []
    Session.objects.filter(project=project).update(build=build)
    append(build, LogLines("fetching", "── Files of the repository\nUsed: start\n── x", "1"))
    used, ignored = with_token(ada).get(address).json()["notes"]
    assert used == "Used: start"
    assert ignored.startswith("Line 1 of .resources is ignored: “x” is not a known key.")


def test_events_are_paged_by_cursor(ada, project):
    api = with_token(ada)
    build = Build.objects.create(url=project.url, commit="c" * 40, image="i")
    address = f"/api/v1/projects/{project.name}/events/"
    page = api.get(address).json()
    assert [event["phase"] for event in page["events"]] == ["waiting"]
    assert set(page["events"][0]) == {"cursor", "at", "phase", "message"}
    assert api.get(address, {"after": page["next"]}).json()["events"] == []
    from sessions.progress.journal import record
    from sessions.states import Phase

    record(project.current, Phase.FETCHING, "building", build=build)
    append(build, LogLines("building", "one\ntwo", "7"))
    later = api.get(address, {"after": page["next"]}).json()
    assert [event["message"] for event in later["events"]] == ["building", "one\ntwo"]
    assert later["events"][-1]["cursor"] == later["next"]
    answer = api.get(address, {"after": "soon"})
    assert (answer.status_code, answer.json()["code"]) == (400, "events.cursor")
