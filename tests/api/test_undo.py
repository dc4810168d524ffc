"""Deleting and restoring through the API: what a client sees in between, and what is refused."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from quotas.models import LimitSet
from sessions.models import Project
from tests.api.conftest import post
from tests.making import with_token

pytestmark = pytest.mark.django_db


@pytest.fixture
def project(ada, launch) -> Project:
    return launch(ada)[0]


def deleted(api: Client, **more: str) -> list[dict[str, Any]]:
    return api.get("/api/v1/projects/", {"deleted": "true", **more}).json()


def address(project: Project, rest: str = "") -> str:
    return f"/api/v1/projects/{project.name}/{rest}"


def test_a_deleted_project_appears_only_in_the_list_of_deleted_ones(api, project):
    assert deleted(api) == []
    assert api.delete(address(project)).status_code == 202
    assert api.get("/api/v1/projects/").json() == []
    assert api.get(address(project)).status_code == 404
    assert api.delete(address(project)).status_code == 404
    for verb in ("start", "keep"):
        assert post(api, f"projects/{project.name}/{verb}/").status_code == 404
    [row] = deleted(api)
    assert (row["name"], row["state"], row["deletes_at"]) == (project.name, "stopped", None)
    until, when = (datetime.fromisoformat(row[name]) for name in ("restorable_until", "deleted"))
    assert until - when == timedelta(days=7)


def test_a_restored_project_is_as_it_was(api, project):
    before = api.get(address(project)).json()
    api.delete(address(project))
    answer = post(api, f"projects/{project.name}/restore/")
    assert answer.status_code == 202
    now = api.get(address(project)).json()
    assert answer.json() == now
    changing = {"last_activity", "deletes_at"}
    assert {k: v for k, v in now.items() if k not in changing} == {
        k: v for k, v in before.items() if k not in changing
    }
    assert deleted(api) == []


def test_restoring_at_the_limit_is_refused_and_lists_the_projects(api, ada, project, launch):
    LimitSet.objects.create(user=ada, projects=1)
    api.delete(address(project))
    [other] = launch(ada)
    answer = post(api, f"projects/{project.name}/restore/")
    refusal = answer.json()
    assert (answer.status_code, refusal["code"]) == (409, "quota.projects")
    assert refusal["projects"] == [
        {"name": other.name, "repository": other.repository, "state": "stopped"}
    ]
    assert refusal["detail"] == "You have 1 of 1 project. Delete one to restore another."


def test_a_project_that_is_not_deleted_cannot_be_restored(api, project):
    answer = post(api, f"projects/{project.name}/restore/")
    assert (answer.status_code, answer.json()["code"]) == (409, "project.state")


@pytest.mark.parametrize("before", [True, False], ids=["deleted before", "at once"])
def test_a_project_deleted_for_good_cannot_be_restored(api, project, before):
    if before:
        api.delete(address(project))
    assert api.delete(address(project, "?for_good=true")).status_code == 202
    assert deleted(api) == []
    assert post(api, f"projects/{project.name}/restore/").status_code == 404
    assert api.delete(address(project, "?for_good=true")).status_code == 404


def test_an_invalid_for_good_value_deletes_nothing(api, project):
    answer = api.delete(address(project, "?for_good=perhaps"))
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert api.get(address(project)).status_code == 200
    assert api.delete(address(project, "?for_good=false")).status_code == 202
    assert len(deleted(api)) == 1


def test_only_the_owner_and_permitted_staff_may_restore_by_api(api, project, bob, vera, stan):
    api.delete(address(project))
    his, looks, acts = (with_token(user) for user in (bob, vera, stan))
    assert deleted(his) == deleted(acts) == []
    assert [row["owner"] for row in deleted(looks, owner="all")] == ["ada"]
    for client, status in ((his, 404), (looks, 403)):
        assert post(client, f"projects/{project.name}/restore/").status_code == status
        assert client.delete(address(project, "?for_good=true")).status_code == status
    assert Project.objects.get().is_restorable
    assert post(acts, f"projects/{project.name}/restore/").status_code == 202


def test_a_list_of_everybodys_projects_shows_none_as_deleted(project, stan):
    [row] = with_token(stan).get("/api/v1/projects/", {"owner": "all"}).json()
    assert (row["deleted"], row["restorable_until"]) == (None, None)
