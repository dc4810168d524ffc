"""What the back end has and no row asks for is removed, and stands in the list of removals."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from sessions import lifecycle
from sessions.backends import BuildReport, ServerReport
from sessions.lifecycle import leftovers
from sessions.models import Project, Removal, Session
from sessions.reconcile import reconcile

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def minutes(worker):
    def pass_by(count: int = 3) -> None:
        for _minute in range(count):
            reconcile()
            worker.run()

    return pass_by


def removed() -> list[str]:
    found = Removal.objects.filter(kind="leftover")
    assert all(found.values_list("why", flat=True))
    return sorted(found.values_list("name", flat=True))


def test_a_notebook_without_a_row_is_ended(backend, minutes):
    backend.server_reports[99] = ServerReport(99, "nobodys-1", "ready")
    minutes()
    assert backend.servers() == []
    assert removed() == ["nobodys-1"]


def test_a_build_without_a_row_is_ended(backend, minutes):
    backend.build_reports[99] = BuildReport(99)
    minutes()
    assert backend.builds() == []
    assert removed() == ["build 99"]


def test_what_is_kept_of_a_project_without_a_row_goes(backend, minutes):
    backend.kept_projects = {"nobodys-1", "nobodys-2"}
    minutes()
    assert backend.projects() == []
    assert removed() == ["nobodys-1", "nobodys-2"]


def test_what_was_left_half_made_is_swept_away(backend, minutes):
    backend.half_made = [".flowers.7.partial"]
    minutes()
    assert removed() == [".flowers.7.partial"]


def test_a_deleted_project_whose_removal_was_lost_goes_and_is_no_leftover(
    ada, git, backend, bring_up, worker, watch, minutes
):
    url = git.repository("ada/flowers", {"index.ipynb": "{}"})
    project = bring_up(lifecycle.launch(ada, url))
    lifecycle.delete(project, ada)
    worker.lose()
    Session.objects.update(changed=project.created - leftovers.ONCE)
    minutes()
    assert (backend.servers(), backend.projects()) == ([], [])
    assert removed() == []


def test_what_became_wanted_meanwhile_stays(ada, backend):
    backend.kept_projects = {"flowers-1"}
    Project.objects.create(owner=ada, name="flowers-1", provider="git", url="u")
    leftovers.drop_project("flowers-1")
    assert backend.projects() == ["flowers-1"]


def test_thousands_of_projects_are_looked_up_together(ada):
    names = [f"flowers-{number:05}" for number in range(3000)]
    about = {"owner": ada, "provider": "git", "url": "u"}
    Project.objects.bulk_create(Project(name=name, **about) for name in names)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert list(leftovers.unwanted([*names, "nobodys"])) == ["nobodys"]
    assert len(queries) <= 14
