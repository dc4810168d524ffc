"""Filters of the project list, and whose projects a user may list."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from sessions import lifecycle
from sessions.models import Project
from tests.making import with_token

pytestmark = [pytest.mark.django_db, pytest.mark.databases]


def names(api: Client, **wanted: Any) -> set[str]:
    answer = api.get("/api/v1/projects/", wanted)
    assert answer.status_code == 200, answer.content
    return {row["name"] for row in answer.json()}


@pytest.fixture
def two(ada, launch) -> list[Project]:
    return [*launch(ada, 1, "ada/flowers"), *launch(ada, 1, "https://gitlab.com/ada/birds")]


def test_projects_are_filtered_by_one_or_more_states(ada, api, two):
    flowers, birds = two
    lifecycle.start(flowers, ada)
    assert names(api, state="waiting") == {flowers.name}
    assert names(api, state="stopped") == {birds.name}
    assert names(api, state=["stopped", "waiting"]) == {flowers.name, birds.name}
    assert names(api, state="ready") == set()


def test_a_project_is_found_by_the_state_it_shows(ada, api, two):
    for row in api.get("/api/v1/projects/").json():
        assert row["name"] in names(api, state=row["state"])


def test_projects_are_filtered_by_provider_repository_ref_and_text(api, two):
    flowers, birds = two
    Project.objects.filter(pk=birds.pk).update(ref="v1")
    assert names(api, provider=birds.provider) == {birds.name}
    assert names(api, repository=flowers.repository) == {flowers.name}
    assert names(api, ref="v1") == {birds.name}
    assert names(api, q="FLOW") == {flowers.name}
    assert names(api, q="%") == set()


@pytest.mark.parametrize("order", ["created", "-created", "name", "-name", "-last_activity"])
def test_projects_are_sorted_by_the_requested_field(api, two, order):
    rows = api.get("/api/v1/projects/", {"ordering": order}).json()
    field = order.removeprefix("-")
    shown = [row[field] for row in rows]
    assert shown == sorted(shown, reverse=order.startswith("-"))


@pytest.mark.parametrize(
    "asked", ["state=lost", "ordering=owner", "provider=x", "q=%00", "deleted=maybe", "deleted=tru"]
)
def test_an_invalid_filter_is_400_and_named(api, asked):
    answer = api.get(f"/api/v1/projects/?{asked}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert list(answer.json()["fields"]) == [asked.partition("=")[0]]


def test_staff_may_list_somebody_elses_and_everybodys_projects(ada, bob, vera, launch):
    hers, his = launch(ada)[0], launch(bob)[0]
    api = with_token(vera)
    assert names(api) == set()
    assert names(api, owner="bob") == {his.name}
    assert names(api, owner="all") == {hers.name, his.name}
    assert names(api, owner="all", q=hers.name) == {hers.name}
    rows = api.get("/api/v1/projects/?owner=all").json()
    assert {row["owner"] for row in rows} == {"ada", "bob"}
    assert api.get("/api/v1/projects/?owner=nobody").status_code == 404


def test_other_people_may_list_only_their_own_projects(ada, bob, launch):
    launch(bob)
    mine = launch(ada)[0]
    api = with_token(ada)
    assert names(api, owner="ada") == {mine.name}
    theirs = [api.get("/api/v1/projects/", {"owner": who}) for who in ("bob", "all", "nobody")]
    assert {answer.status_code for answer in theirs} == {404}
    assert len({answer.content for answer in theirs}) == 1
