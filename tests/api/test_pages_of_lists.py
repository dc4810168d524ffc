"""Lists are paginated and stay consistent while rows come and go."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from quotas.models import LimitSet
from sessions.models import Project

pytestmark = [pytest.mark.django_db, pytest.mark.databases]


@pytest.fixture(autouse=True)
def no_limit(db) -> None:
    LimitSet.objects.update_or_create(user=None, group=None, defaults={"projects": 1000})


def pages(api: Client, address: str, meanwhile=lambda: None) -> list[list[str]]:
    """Return the names on each page, following the links from one to the next."""
    found = []
    while address:
        answer = api.get(address)
        assert answer.status_code == 200, answer.content
        found.append([row["name"] for row in answer.json()])
        link = re.fullmatch(r'<([^>]+)>; rel="next"', answer.headers.get("Link", ""))
        address = link[1] if link else ""
        meanwhile()
    return found


def test_a_short_list_has_no_link_header(ada, api, launch):
    names = [project.name for project in launch(ada, 3)]
    answer = api.get("/api/v1/projects/")
    assert [row["name"] for row in answer.json()] == names[::-1]
    assert "Link" not in answer.headers


def test_links_lead_through_every_row_once(ada, api, launch):
    names = [project.name for project in launch(ada, 5)]
    found = pages(api, "/api/v1/projects/?limit=2")
    assert [len(page) for page in found] == [2, 2, 1]
    assert [name for page in found for name in page] == names[::-1]


@pytest.mark.parametrize("order", ["-created", "created", "name", "-name", "last_activity"])
def test_new_rows_neither_repeat_nor_hide_others(ada, api, launch, order):
    names = {project.name for project in launch(ada, 5)}
    address = f"/api/v1/projects/?limit=2&ordering={order}"
    found = [name for page in pages(api, address, lambda: _until(7, ada, launch)) for name in page]
    assert len(found) == len(set(found))
    assert set(found) >= names


def _until(most: int, user, launch) -> None:
    if Project.objects.count() < most:
        launch(user)


def test_rows_with_the_same_timestamp_are_all_listed(ada, api, launch):
    names = {project.name for project in launch(ada, 5)}
    Project.objects.update(created=Project.objects.first().created)
    found = [name for page in pages(api, "/api/v1/projects/?limit=1") for name in page]
    assert (len(found), set(found)) == (5, names)


@pytest.mark.parametrize("limit", ["0", "-1", "many", "", "1.5", "9" * 30])
def test_an_invalid_limit_is_400(api, limit):
    answer = api.get(f"/api/v1/projects/?limit={limit}")
    assert (answer.status_code, answer.json()["code"]) == (400, "page.limit")


@pytest.mark.parametrize("cursor", ["x", "WyJuYW1lIl0", "%00", "a:b:c"])
def test_a_forged_cursor_is_400(api, cursor):
    answer = api.get(f"/api/v1/projects/?cursor={cursor}")
    assert (answer.status_code, answer.json()["code"]) == (400, "page.cursor")


def test_a_cursor_is_valid_only_for_its_own_ordering(ada, api, launch):
    launch(ada, 2)
    link = api.get("/api/v1/projects/?limit=1").headers["Link"]
    address = link.partition(">")[0][1:] + "&ordering=name"
    assert api.get(address).json()["code"] == "page.cursor"


@pytest.mark.parametrize("fresh", [True, False])
def test_the_number_of_queries_does_not_grow_with_the_rows(ada, api, launch, fresh):
    counted = []
    for count in (1, 9):
        launch(ada, count)
        if fresh:  # nothing of theirs has run yet: what they would get follows from limits
            Project.objects.update(current=None)
        api.get("/api/v1/me/")
        with CaptureQueriesContext(
            connection,
        ) as queries:
            api.get("/api/v1/projects/")
        counted.append(len(queries))
    assert counted[0] == counted[1]
