"""A second repository for the content in the API, on pages, and in what is told of a person."""

from __future__ import annotations

import json
from html import unescape

import pytest

from portal.privacy import anonymize, export
from sessions import lifecycle
from sessions.models import Project, RepositoryRule
from tests.making import with_token, words_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("backend")]

VISIT = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "cross-site"}
LINK = (
    "/v2/gh/o/env/main?content=https%3A//github.com/ada/course%40v1&urlpath=lab/tree/course/a.ipynb"
)
SOURCE = {"repository": "ada/course", "ref": "v1", "commit": "", "folder": "course"}


def post(client, **fields: str):
    return client.post("/api/v1/projects/", json.dumps(fields), content_type="application/json")


def test_the_api_launches_with_content_and_says_which(ada):
    client = with_token(ada)
    answer = post(client, repository="o/env@main", content="ada/course@v1", path="a.ipynb")
    assert answer.status_code == 201
    project = answer.json()
    assert (project["repository"], project["path"]) == ("o/env", "a.ipynb")
    assert project["content"] == SOURCE
    assert client.get("/api/v1/projects/").json()[0]["content"] == SOURCE
    assert post(client, repository="o/env").json()["content"] is None
    refused = post(client, repository="o/env", content="nonsense")
    assert (refused.status_code, refused.json()["code"]) == (
        400,
        "launch.repository-not-understood",
    )
    RepositoryRule.objects.create(pattern="github.com/ada/course")
    refused = post(client, repository="o/env", content="ada/course")
    assert (refused.status_code, refused.json()["code"]) == (400, "launch.repository-banned")


def test_the_form_understands_content_and_the_projects_page_has_its_link(as_ada):
    fields = {"repository": "o/env@main", "path": "a.ipynb", "content": "ada/course@v1"}
    preview = as_ada.get("/understand/", fields, headers={"HX-Request": "true"}).content.decode()
    assert "files of ada/course" in preview
    assert LINK in unescape(preview)
    answer = as_ada.post("/launch/", fields)
    project = Project.objects.get()
    assert (answer.status_code, project.content_repository) == (303, "ada/course")
    page = f"/projects/{project.name}/"
    assert LINK in unescape(as_ada.get(page).content.decode())
    assert "Content ada/course v1 in the folder course , updated at each start" in words_of(
        as_ada, page
    )


def test_a_link_with_content_launches_it_and_starts_by_itself_only_once_it_is_known(ada, as_ada):
    lifecycle.launch(ada, "o/env")
    assert "data-starts" in as_ada.get("/v2/gh/o/env/main", headers=VISIT).content.decode()
    assert "data-starts" not in as_ada.get(LINK, headers=VISIT).content.decode()
    as_ada.post(LINK)
    project = Project.objects.latest("pk")
    assert (project.content_repository, project.content_ref) == ("ada/course", "v1")
    assert "data-starts" in as_ada.get(LINK, headers=VISIT).content.decode()
    other = LINK.replace("course", "lure")
    assert "data-starts" not in as_ada.get(other, headers=VISIT).content.decode()
    requested = LINK.replace("%40v1", "%40refs/pull/1/head")
    assert "data-starts" not in as_ada.get(requested, headers=VISIT).content.decode()


def test_the_build_api_asks_for_one_project_of_an_environment_and_its_content(ada):
    first = lifecycle.launch_link(ada, LINK)
    assert lifecycle.launch_link(ada, LINK) == first
    other = lifecycle.launch_link(ada, LINK.replace("%40v1", "%40v2"))
    assert (other == first, other.content_ref) == (False, "v2")


def test_content_is_in_a_persons_export_and_not_left_when_they_are_erased(ada):
    project = lifecycle.launch(ada, "o/env", content="ada/course@v1")
    part = next(part for part in export.EXPORT_FILES if part.name == "projects")
    assert {"content_repository", "content_ref", "content_commit"} <= set(part.columns)
    anonymize._projects(ada, ["ada"], "gone")
    project.refresh_from_db()
    assert (project.repository, project.content_source) == ("o/env", None)
