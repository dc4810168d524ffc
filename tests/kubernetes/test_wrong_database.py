"""A portal whose namespace belongs to another database, or to a later state of its own: the API
server is not asked to remove or change anything. `tests/cluster/test_wrong_database.py` tries this
on a real one.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace

import pytest

from portal.models import Installation, User
from sessions import backends, tasks
from sessions.backends.kubernetes import KubernetesBackend
from sessions.backends.kubernetes.cluster import Cluster
from sessions.errors import TemporaryError
from sessions.installation import ownership
from sessions.installation.known import OwnershipStatus
from sessions.models import Build, Session
from sessions.states import ProjectState, SessionState
from sessions.watch.reconcile import reconcile
from tests.fixtures import Worker, worker
from tests.kubernetes.apiserver import ApiServer
from tests.kubernetes.things import BUILD, SERVER
from tests.stages import project_in

__all__ = ["worker"]

pytestmark = pytest.mark.django_db(transaction=True)

MINE, THEIRS = "a" * 32, "b" * 32
LATER = 5_000
KINDS = ("pods", "secrets", "persistentvolumeclaims", "configmaps")


@pytest.fixture
def backend(api: ApiServer, settings) -> Iterator[KubernetesBackend]:
    """The portal's back end, whose namespace has an id."""
    settings.PORTAL_BACKEND = "kubernetes"
    settings.PORTAL_REGISTRY, settings.PORTAL_BUILDER_IMAGE = "127.0.0.1:9", "builder:1"
    backends.get_backend.cache_clear()
    backend = backends.get_backend()
    assert isinstance(backend, KubernetesBackend)
    backend._cluster = Cluster("test", api.kubeconfig, labels=backend._namespace.labels)
    backend.ensure_installation(MINE)
    yield backend
    backends.get_backend.cache_clear()


def runs(backend: KubernetesBackend, session: int, build: int) -> None:
    """Put a running notebook and a build there, with these numbers."""
    backend.ensure_build(replace(BUILD, id=build))
    backend.ensure_server(replace(SERVER, id=session))


def changes_in(api: ApiServer, worker: Worker) -> list[str]:
    """Return the requests to the API server within three minutes that are more than reads."""
    before, told = deepcopy({kind: api.things[kind] for kind in KINDS}), len(api.asked)
    for _minute in range(3):
        reconcile()
        worker.run()
    assert {kind: api.things[kind] for kind in KINDS} == before
    return [
        asked for asked in api.asked[told:] if not asked.startswith(("GET ", "POST selfsubject"))
    ]


@pytest.mark.parametrize(
    ("installation", "verdict"),
    [("", OwnershipStatus.UNDECIDED), (THEIRS, OwnershipStatus.FOREIGN)],
)
def test_an_empty_or_foreign_database_removes_nothing(
    api: ApiServer,
    backend: KubernetesBackend,
    worker: Worker,
    ada: User,
    installation: str,
    verdict: OwnershipStatus,
) -> None:
    """Not even what has the number of a notebook or build of its own that is over."""
    if installation:
        Installation.objects.set_id(installation)
    over = Session.objects.get(project=project_in(ProjectState.STOPPED, ada))
    build = Build.objects.get()
    worker.lose()
    runs(backend, over.pk, build.pk)
    assert changes_in(api, worker) == []
    assert ownership.recorded() == verdict
    for remove, number in ((tasks.remove_server, over.pk), (tasks.cancel_build, build.pk)):
        with pytest.raises(TemporaryError, match="do not belong together"):
            remove(number)
    assert [report.id for report in backend.servers()] == [over.pk]


def test_an_older_database_leaves_unknown_runs_alone_and_keeps_its_own(
    api: ApiServer, backend: KubernetesBackend, worker: Worker, ada: User
) -> None:
    Installation.objects.set_id(MINE)
    project = project_in(ProjectState.READY, ada)
    known = Session.objects.get(project=project)
    runs(backend, LATER, LATER)
    backend.ensure_server(replace(SERVER, id=known.pk, name=project.name))
    worker.lose()
    assert changes_in(api, worker) == []
    assert ownership.recorded() == OwnershipStatus.OLDER
    assert {report.id for report in backend.servers()} == {known.pk, LATER}
    known.refresh_from_db()
    assert known.state == SessionState.READY
