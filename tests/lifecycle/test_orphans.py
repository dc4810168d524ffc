"""Leftovers in the back end without a row are ended or set aside, and staff are told."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from portal.health import checks
from sessions import lifecycle, retention
from sessions.backends import BuildReport, ServerReport
from sessions.lifecycle import orphans
from sessions.models import Heartbeat, HeartbeatName, Project, Removal, Session, SetAside
from sessions.models.operations import WATCH_TIMEOUT
from sessions.states import ProjectState
from sessions.watch.reconcile import reconcile
from tests.stages import project_in

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def minutes(worker):
    def pass_by(count: int = 3) -> None:
        for _minute in range(count):
            reconcile()
            worker.run()

    return pass_by


@pytest.fixture
def known(ada, backend, settled) -> None:
    """Two projects that the database and the back end know, in a long-running portal."""
    for name in ("flowers-1", "flowers-2"):
        Project.objects.create(owner=ada, name=name, provider="git", url="u")
        backend.kept_projects.add(name)


def what_health_says() -> str:
    Heartbeat.objects.beat(HeartbeatName.WATCH, within=WATCH_TIMEOUT)
    return checks.part_states()["leftovers"].problem


def removed() -> list[str]:
    found = Removal.objects.filter(kind="leftover")
    assert all(found.values_list("why", flat=True))
    return sorted(found.values_list("name", flat=True))


def test_a_notebook_without_a_row_is_ended(known, backend, minutes):
    backend.server_reports[99] = ServerReport(99, "nobodys-1", "ready")
    minutes()
    assert backend.servers() == []
    assert removed() == ["nobodys-1"]


def test_a_build_without_a_row_is_ended(known, backend, minutes):
    backend.build_reports[99] = BuildReport(99)
    minutes()
    assert backend.builds() == []
    assert removed() == ["build 99"]


def test_objects_without_the_installation_id_are_left_alone(known, backend, minutes):
    """On a cluster: it may be another portal's, from before there were ids."""
    backend.build_reports[99] = BuildReport(99, has_installation_id=False)
    backend.server_reports[99] = ServerReport(99, "nobodys-1", "ready", has_installation_id=False)
    minutes()
    assert not backend.build_reports[99].finished
    assert backend.server_reports[99].state == "ready"


def test_a_server_with_the_number_but_not_the_name_is_left_alone(ada, settled, minutes):
    """A database that was put back gives the same numbers once more."""
    session = project_in(ProjectState.STOPPED, ada).current
    settled.server_reports[session.pk] = ServerReport(session.pk, "nobodys-1", "ready")
    minutes()
    assert settled.server_reports[session.pk].state == "ready"


def test_files_of_a_project_without_a_row_are_set_aside(known, backend, minutes):
    backend.kept_projects |= {"nobodys-1", "nobodys-2"}
    minutes()
    assert backend.projects() == ["flowers-1", "flowers-2"]
    assert sorted(SetAside.objects.values_list("name", "size")) == [
        ("nobodys-1", 1000),
        ("nobodys-2", 1000),
    ]
    assert removed() == []


def test_files_of_an_orphan_that_still_runs_stay_in_place(known, backend, minutes):
    backend.server_reports[99] = ServerReport(99, "nobodys-1", "ready")
    backend.kept_projects.add("nobodys-1")
    backend.stubborn.add(99)
    minutes()
    assert "nobodys-1" in backend.projects()


def test_nothing_is_touched_while_too_many_objects_are_unknown(known, backend, minutes, caplog):
    """More than five, and more than a fifth: the database is older than what the back end keeps,
    though nobody can tell by numbers.
    """
    nobodys = [f"nobodys-{number}" for number in range(6)]
    backend.kept_projects |= {*nobodys}
    backend.kept_images = dict.fromkeys(nobodys, 5)
    for number in range(10, 16):
        backend.build_reports[number] = BuildReport(number)
        backend.server_reports[number] = ServerReport(number, nobodys[number - 10], "ready")
    minutes()
    retention.tidy()
    orphans.drop_project("nobodys-1")
    assert backend.projects() == ["flowers-1", "flowers-2", *nobodys]
    assert list(backend.kept_images) == nobodys
    assert not any(each.finished for each in backend.builds())
    assert {each.state for each in backend.servers()} == {"ready"}
    assert removed() == []
    assert what_health_says() == orphans.MUCH_UNKNOWN
    assert [each.message for each in caplog.records if each.levelname == "ERROR"] == [
        f"leaving everything unknown alone: {orphans.MUCH_UNKNOWN}"
    ]


def test_cleanup_resumes_once_few_enough_objects_are_unknown(known, ada, backend, minutes):
    backend.kept_projects |= {f"nobodys-{number}" for number in range(6)}
    minutes()
    assert len(backend.projects()) == 8
    Project.objects.create(owner=ada, name="nobodys-3", provider="git", url="u")
    minutes()
    assert backend.projects() == ["flowers-1", "flowers-2", "nobodys-3"]
    assert what_health_says() == ""


def test_partial_files_are_removed(backend, minutes):
    backend.half_made = [".flowers.7.partial"]
    minutes()
    assert removed() == [".flowers.7.partial"]


def test_a_deleted_project_whose_removal_was_lost_is_removed(
    ada, git, backend, bring_up, worker, watch, minutes
):
    url = git.repository("ada/flowers", {"index.ipynb": "{}"})
    project = bring_up(lifecycle.launch(ada, url))
    lifecycle.delete(project, ada, for_good=True)
    worker.lose()
    Session.objects.update(changed=project.created - orphans.DUPLICATE_WINDOW)
    minutes()
    assert (backend.servers(), backend.projects()) == ([], [])
    assert removed() == []


def test_a_folder_whose_project_reappeared_stays(ada, backend):
    backend.kept_projects = {"flowers-1"}
    Project.objects.create(owner=ada, name="flowers-1", provider="git", url="u")
    orphans.drop_project("flowers-1")
    assert backend.projects() == ["flowers-1"]


def test_thousands_of_projects_are_looked_up_in_few_queries(ada):
    names = [f"flowers-{number:05}" for number in range(3000)]
    about = {"owner": ada, "provider": "git", "url": "u"}
    Project.objects.bulk_create(Project(name=name, **about) for name in names)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert list(orphans.droppable([*names, "nobodys"])) == ["nobodys"]
    assert len(queries) <= 14
