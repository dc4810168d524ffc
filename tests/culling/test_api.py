"""``deletes_at`` and ``keep`` in the API: the same times as on the pages."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from quotas.models import LimitSet
from sessions.models import Project
from tests.culling.conftest import DAY, HOUR
from tests.making import with_token

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.one_database]


def rows(api: Client, query: str = "") -> list[dict[str, Any]]:
    return api.get(f"/api/v1/projects/{query}").json()


def moment(row: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(row["deletes_at"])


def test_api_shows_the_deletion_time_and_keep_postpones_it(ada, portal, unused):
    project, api = unused(ada), with_token(ada)
    address = f"/api/v1/projects/{project.name}/"
    assert moment(api.get(address).json()) == portal.now + 2 * DAY
    portal.live(DAY + HOUR)
    assert moment(api.get(address).json()) == portal.now + 23 * HOUR
    answer = api.post(f"{address}keep/")
    assert answer.status_code == 202
    assert moment(answer.json()) == portal.now + 7 * DAY


def test_overdue_project_is_deleted_after_a_full_warning(ada, portal, unused):
    unused(ada, 400)
    (row,) = rows(with_token(ada))
    assert moment(row) == portal.now + DAY


def test_project_that_never_expires_has_null(ada, portal, unused):
    LimitSet.objects.create(user=ada, idle_days=0)
    unused(ada)
    (row,) = rows(with_token(ada))
    assert row["deletes_at"] is None


def test_deleted_project_cannot_be_kept(ada, portal, unused):
    project = unused(ada)
    portal.live(2 * DAY)
    assert with_token(ada).post(f"/api/v1/projects/{project.name}/keep/").status_code == 404


def test_lists_use_the_idle_days_of_each_owner(ada, bob, stan, portal, unused):
    LimitSet.objects.create(user=bob, idle_days=30)
    unused(ada)
    unused(bob)
    found = {row["owner"]: moment(row) for row in rows(with_token(stan), "?owner=all")}
    assert found == {"ada": portal.now + 2 * DAY, "bob": portal.now + 25 * DAY}


def test_number_of_queries_does_not_grow_with_the_list(ada, bob, stan, portal, unused):
    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            rows(api, "?owner=all")
        return len(asked)

    api = with_token(stan)
    unused(ada)
    rows(api)
    before = queries()
    for owner in (ada, bob, bob, stan):
        unused(owner)
    assert Project.objects.count() == 5
    assert queries() == before
