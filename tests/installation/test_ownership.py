"""Database and place get one id where that is safe; if they do not match, nothing is done."""

from __future__ import annotations

import pytest
from django.test import Client

from portal.models import Erasure, Installation
from portal.models.erasure import digest
from sessions import lifecycle, retention, tasks
from sessions.backends import BuildReport, ServerReport
from sessions.errors import NotAllowed, TemporaryError
from sessions.installation import known as numbers
from sessions.installation import ownership
from sessions.installation.known import OwnershipStatus
from sessions.models import Build, Condition, Heartbeat, HeartbeatName, Project, Session
from sessions.models.operations import WATCH_TIMEOUT
from sessions.watch.reconcile import reconcile
from tests.scripted import ScriptedBackend

pytestmark = pytest.mark.django_db(transaction=True)

THEIRS = "b" * 32


@pytest.fixture
def foreign(settled: ScriptedBackend) -> ScriptedBackend:
    """A back end that keeps the data of another database's portal."""
    settled.place = THEIRS
    return settled


def fill(backend: ScriptedBackend) -> None:
    """Add something of each kind that has no row."""
    backend.kept_projects = {"nobodys-1"}
    backend.kept_images = {"nobodys": 5}
    backend.half_made = [".flowers.7.partial"]
    backend.build_reports[98] = BuildReport(98)
    backend.server_reports[99] = ServerReport(99, "nobodys-1", "ready")


def is_as_filled(backend: ScriptedBackend) -> bool:
    return (
        backend.kept_projects == {"nobodys-1"}
        and not backend.kept_aside
        and bool(backend.kept_images and backend.half_made)
        and backend.build_reports[98] == BuildReport(98)
        and backend.server_reports[99].state == "ready"
    )


def test_a_first_start_gives_database_and_place_the_same_id(backend):
    assert ownership.check_and_record() == OwnershipStatus.MATCHES
    assert backend.place == Installation.objects.current_id() != ""
    assert ownership.check_and_record() == OwnershipStatus.MATCHES
    assert Installation.objects.count() == 1


def test_an_older_installation_gets_an_id_if_everything_is_known(ada, backend):
    Project.objects.create(owner=ada, name="flowers-1", provider="git", url="u")
    Erasure.objects.create(username=digest("carl"), volume="carl-nfs-pvc")
    backend.kept_projects, backend.volumes = {"flowers-1"}, {"ada", "carl"}
    assert ownership.check_and_record() == OwnershipStatus.MATCHES
    assert ownership.ids_match()


@pytest.mark.parametrize("unknown", ["projects", "volumes"])
def test_an_older_installation_gets_no_id_if_anything_is_unknown(ada, backend, unknown):
    backend.kept_projects = {"nobodys-1"} if unknown == "projects" else set()
    backend.volumes = {"nobody"} if unknown == "volumes" else set()
    assert ownership.check_and_record() == OwnershipStatus.UNDECIDED
    assert (backend.place, Installation.objects.current_id()) == ("", "")
    with pytest.raises(TemporaryError):
        ownership.require()


def test_a_missing_id_is_copied_from_database_or_place(backend, settled):
    mine = settled.place
    settled.place = ""
    assert (ownership.check_and_record(), settled.place) == (OwnershipStatus.MATCHES, mine)
    Installation.objects.all().delete()
    assert ownership.check_and_record() == OwnershipStatus.MATCHES
    assert Installation.objects.current_id() == mine


def test_the_first_of_two_concurrent_ids_wins(settled):
    settled.place = ""
    settled.ensure_installation(THEIRS)
    assert ownership.check_and_record() == OwnershipStatus.FOREIGN


def test_a_foreign_place_is_not_touched(foreign, worker, caplog):
    fill(foreign)
    for _minute in range(3):
        reconcile()
        worker.lose()
    retention.tidy()
    retention.free_disk_space()
    assert is_as_filled(foreign)
    errors = [each.message for each in caplog.records if each.levelname == "ERROR"]
    assert len(errors) == 1 and "manage.py adopt" in errors[0]


def test_equal_numbers_in_a_foreign_place_are_not_taken_for_ours(ada, url, foreign, worker, watch):
    """A stopped session of this database has the number of a notebook that runs there."""
    foreign.place = Installation.objects.current_id()
    project = lifecycle.launch(ada, url)
    lifecycle.stop(project, ada)
    worker.lose()
    foreign.place = THEIRS
    number = Session.objects.get().pk
    foreign.server_reports[number] = ServerReport(number, project.name, "ready")
    reconcile()
    with pytest.raises(TemporaryError):
        tasks.remove_server(number)
    assert foreign.server_reports[number].state == "ready"


def test_a_launch_in_a_foreign_place_is_refused_with_the_reason(ada, url, foreign):
    ownership.check_and_record()
    with pytest.raises(TemporaryError, match="do not belong together") as refused:
        lifecycle.launch(ada, url)
    assert refused.value.code == "installation.foreign"
    assert not Project.objects.exists()


def test_an_older_database_leaves_unknown_objects_alone(ada, url, settled, bring_up, worker):
    """Projects that the database does know continue."""
    project = bring_up(lifecycle.launch(ada, url))
    later = 2_000
    settled.server_reports[later] = ServerReport(later, "nobodys-1", "ready")
    settled.kept_projects.add("nobodys-1")
    for _minute in range(3):
        reconcile()
        worker.run()
    assert ownership.recorded() == OwnershipStatus.OLDER
    assert {report.state for report in settled.servers()} == {"ready"}
    assert settled.kept_aside == {}
    assert Project.objects.get(pk=project.pk).state == "ready"


def test_health_and_the_admin_report_a_foreign_place(foreign, as_stan):
    Heartbeat.objects.beat(HeartbeatName.WATCH, within=WATCH_TIMEOUT)
    ownership.check_and_record()
    answer = Client().get("/health")
    assert answer.status_code == 503
    assert answer.json()["checks"]["installation"] == "the data belong to another database"
    page = as_stan.get("/admin/").content.decode()
    assert (
        "The data belong to a different database" in page and "<code>manage.py adopt</code>" in page
    )


def test_without_read_rights_launches_work_and_nothing_is_removed(settled, worker):
    Heartbeat.objects.beat(HeartbeatName.WATCH, within=WATCH_TIMEOUT)
    settled.withheld = NotAllowed("kubernetes.rights", "It may not.")
    fill(settled)
    for _minute in range(2):
        reconcile()
        worker.lose()
    assert is_as_filled(settled)
    ownership.require()
    answer = Client().get("/health")
    assert answer.status_code == 200
    assert answer.json()["checks"]["installation"] == OwnershipStatus.UNREADABLE


def test_an_unreachable_back_end_leaves_ownership_unknown(settled):
    settled.withheld = TemporaryError("cluster.unreachable", "It is away.")
    with pytest.raises(TemporaryError):
        ownership.check_and_record()
    ownership.require()  # whoever tells the back end something finds out by themselves
    assert not Condition.objects.filter(part=ownership.PART).exists()


def test_known_objects_without_an_id_are_marked_by_the_reconciler(ada, settled):
    settled.server_reports[99] = ServerReport(99, "flowers-1", "ready", has_installation_id=False)
    settled.volumes = {"ada", "nobody"}
    reconcile()
    (known,) = settled.marked
    assert (known.volumes, known.sessions) == (frozenset({"ada"}), frozenset())


def test_watch_follows_reports_only_in_its_own_place(settled):
    assert ownership.OwnershipCheck().is_ours()
    settled.place = THEIRS
    assert not ownership.OwnershipCheck().is_ours()


@pytest.mark.parametrize("model", [Session, Build])
def test_a_sequence_only_moves_forward(model, db):
    before = numbers.highest_number(model)
    numbers.advance_sequence(model, before + 500)
    assert numbers.highest_number(model) == before + 500
    numbers.advance_sequence(model, before + 3)
    assert numbers.highest_number(model) == before + 500


def test_the_next_row_gets_the_next_number(ada, url, settled):
    before = numbers.highest_number(Session)
    lifecycle.launch(ada, url)
    assert Session.objects.get().pk == before + 1
