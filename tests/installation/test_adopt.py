"""``manage.py adopt``: shows what there is, and does what it said it would."""

from __future__ import annotations

import io

import pytest
from django.core.management import CommandError, call_command

from portal.models import Installation
from sessions.backends import ServerReport
from sessions.errors import TemporaryError
from sessions.installation import ownership
from sessions.installation.known import OwnershipStatus, highest_number
from sessions.models import Build, Project, Session
from sessions.watch.reconcile import reconcile
from tests.scripted import ScriptedBackend

pytestmark = pytest.mark.django_db(transaction=True)

THEIRS = "b" * 32


@pytest.fixture
def apart(ada, settled: ScriptedBackend) -> ScriptedBackend:
    """A back end with one project and one volume that the database knows, and some that it does
    not.
    """
    Project.objects.create(owner=ada, name="flowers-1", provider="git", url="u")
    settled.place = THEIRS
    settled.kept_projects = {"flowers-1", "nobodys-1"}
    settled.volumes = {"ada", "carl"}
    number = highest_number(Session) + 100
    settled.server_reports[number] = ServerReport(number, "nobodys-1", "ready")
    ownership.check_and_record()
    return settled


def adopt(*arguments: str) -> str:
    out = io.StringIO()
    call_command("adopt", *arguments, stdout=out)
    return out.getvalue()


def test_adopt_shows_the_inventory_and_its_consequences(apart, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("no\n"))
    said = adopt()
    for line in (
        f"Id of the data:     {THEIRS}",
        "Projects:   2 found, 1 known to the database; 1 unknown: nobodys-1",
        "Volumes:    2 found, 1 known to the database; 1 unknown: carl",
        "Notebooks:  1 found, 0 known to the database; 1 unknown: ",
        "Builds:     0 found, 0 known to the database",
        "The data belong to a different database",
        "Unknown notebooks and builds are stopped, and folders of unknown projects are set aside",
        "Nothing was changed",
    ):
        assert line in said
    assert Installation.objects.current_id() != THEIRS


def test_adopted_data_belong_to_this_database(apart, worker):
    (number,) = apart.server_reports
    assert "belong together" in adopt("--yes")
    assert Installation.objects.current_id() == apart.place == THEIRS
    assert ownership.recorded() == OwnershipStatus.MATCHES
    assert highest_number(Session) >= number  # no new notebook is taken for the one that runs
    for _minute in range(3):
        reconcile()
        worker.run()
    assert apart.servers() == []
    assert apart.projects() == ["flowers-1"]
    assert list(apart.kept_aside.values()) == ["nobodys-1"]
    assert apart.volumes == {"ada", "carl"}
    assert "nothing to do" in adopt("--yes")


def test_typing_yes_confirms(apart, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
    adopt()
    assert ownership.ids_match()


def test_a_place_without_an_id_gets_the_databases_id(apart):
    apart.place = ""
    mine = Installation.objects.current_id()
    adopt("--yes")
    assert apart.place == Installation.objects.current_id() == mine


def test_an_older_database_continues_numbering_after_the_inventory(apart):
    apart.place = Installation.objects.current_id()
    assert ownership.check_and_record() == OwnershipStatus.OLDER
    adopt("--yes")
    assert ownership.recorded() == OwnershipStatus.MATCHES


def test_adopt_says_that_nothing_is_removed_if_much_is_unknown(apart, worker):
    apart.kept_projects |= {f"nobodys-{number}" for number in range(2, 20)}
    said = adopt("--yes")
    assert "none of it is stopped or set aside" in said
    assert ", …" in said
    reconcile()
    worker.run()
    assert len(apart.projects()) == 20


def test_part_gives_the_database_a_new_id_and_leaves_the_data_alone(apart, worker):
    before = Installation.objects.current_id()
    said = adopt("--part", "--yes")
    assert "PORTAL_DATA" in said
    assert Installation.objects.current_id() not in {before, THEIRS}
    assert apart.place == THEIRS
    reconcile()
    worker.lose()
    assert [report.state for report in apart.servers()] == ["ready"]


def test_part_separates_a_copy_of_the_database_from_its_data(settled):
    """A copy for trials has the id of the original, and must not end its notebooks."""
    adopt("--part", "--yes")
    assert ownership.recorded() == OwnershipStatus.FOREIGN


def test_a_first_start_has_nothing_to_adopt_and_gets_an_id(backend):
    adopt("--yes")
    assert ownership.ids_match()


def test_adopt_reports_an_unreachable_back_end(settled):
    settled.withheld = TemporaryError("cluster.unreachable", "It is away.")
    with pytest.raises(CommandError, match="It is away"):
        adopt("--yes")


def test_adopt_leaves_current_build_numbers_unchanged(settled):
    settled.place = THEIRS
    newest = highest_number(Build)
    adopt("--yes")
    assert highest_number(Build) == newest
