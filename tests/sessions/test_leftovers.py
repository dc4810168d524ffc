"""What the back end has and no row asks for is removed, and stands in the list of removals."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from portal import health
from sessions import lifecycle, retention
from sessions.backends import BuildReport, ServerReport
from sessions.lifecycle import leftovers
from sessions.models import Heartbeat, Project, Removal, Session, Sign
from sessions.models.heartbeat import WATCH_BREAK
from sessions.reconcile import reconcile

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def minutes(worker):
    def pass_by(count: int = 3) -> None:
        for _minute in range(count):
            reconcile()
            worker.run()

    return pass_by


@pytest.fixture
def known(ada, backend) -> None:
    """Two projects that the database and the back end know."""
    for name in ("flowers-1", "flowers-2"):
        Project.objects.create(owner=ada, name=name, provider="git", url="u")
        backend.kept_projects.add(name)


def what_health_says() -> str:
    Heartbeat.objects.beat(Sign.WATCH, within=WATCH_BREAK)
    return health.states()["leftovers"].problem


def removed() -> list[str]:
    found = Removal.objects.filter(kind="leftover")
    assert all(found.values_list("why", flat=True))
    return sorted(found.values_list("name", flat=True))


def test_a_notebook_without_a_row_is_ended(known, backend, minutes):
    backend.server_reports[99] = ServerReport(99, "nobodys-1", "ready")
    minutes()
    assert backend.servers() == []
    assert removed() == ["nobodys-1"]


def test_a_build_without_a_row_is_ended(backend, minutes):
    backend.build_reports[99] = BuildReport(99)
    minutes()
    assert backend.builds() == []
    assert removed() == ["build 99"]


def test_what_is_kept_of_a_project_without_a_row_goes(known, backend, minutes):
    backend.kept_projects |= {"nobodys-1", "nobodys-2"}
    minutes()
    assert backend.projects() == ["flowers-1", "flowers-2"]
    assert removed() == ["nobodys-1", "nobodys-2"]


def test_nothing_is_removed_while_most_of_what_is_there_is_unknown(known, backend, minutes, caplog):
    """The database is empty, the wrong one, or older than what the back end keeps."""
    backend.kept_projects |= {"nobodys-1", "nobodys-2"}
    backend.kept_images = {"nobodys": 5}
    backend.build_reports[99] = BuildReport(99)
    backend.server_reports[99] = ServerReport(99, "nobodys-2", "ready")
    minutes()
    retention.tidy()
    leftovers.drop_project("nobodys-1")
    assert backend.projects() == ["flowers-1", "flowers-2", "nobodys-1", "nobodys-2"]
    assert list(backend.kept_images) == ["nobodys"]
    assert not backend.build_reports[99].finished
    assert backend.server_reports[99].state == "ready"
    assert removed() == []
    assert what_health_says() == leftovers.MOSTLY_UNKNOWN
    assert [each.message for each in caplog.records if each.levelname == "ERROR"] == [
        "nothing unknown is removed: 2 of 5 things are known"
    ]


def test_it_goes_once_enough_is_known_again(known, ada, backend, minutes):
    backend.kept_projects |= {"nobodys-1", "nobodys-2", "nobodys-3"}
    minutes()
    assert len(backend.projects()) == 5
    Project.objects.create(owner=ada, name="nobodys-3", provider="git", url="u")
    minutes()
    assert backend.projects() == ["flowers-1", "flowers-2", "nobodys-3"]
    assert what_health_says() == ""


def test_what_was_left_half_made_is_swept_away(backend, minutes):
    backend.half_made = [".flowers.7.partial"]
    minutes()
    assert removed() == [".flowers.7.partial"]


def test_a_deleted_project_whose_removal_was_lost_goes_and_is_no_leftover(
    ada, git, backend, bring_up, worker, watch, minutes
):
    url = git.repository("ada/flowers", {"index.ipynb": "{}"})
    project = bring_up(lifecycle.launch(ada, url))
    lifecycle.delete(project, ada, for_good=True)
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
