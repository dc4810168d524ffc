"""With the wrong database nobody loses anything on a cluster either; and the id by which a
namespace's objects are told apart, as a real API server has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from keys.keypairs import SshIdentity
from sessions.backends import BuildSpec, Inventory, ServerSpec
from sessions.backends.kubernetes import KubernetesBackend
from sessions.backends.kubernetes.cluster import Cluster
from sessions.backends.kubernetes.labels import INSTALLATION, OURS
from tests.backends.waiting import settled
from tests.cluster.kube import Kube, new_namespace, settings_for
from tests.githttp import GitServer
from tests.stack import Stack, running
from tests.whole.test_wrong_database import survives, survives_an_empty_one

pytestmark = pytest.mark.cluster

MINE, THEIRS = "a" * 32, "b" * 32
KINDS = ("pods", "secrets", "persistentvolumeclaims")


@pytest.fixture
def mine(git_server: GitServer, tmp_path: Path) -> Iterator[Stack]:
    """A portal with a namespace of this test's own."""
    with new_namespace() as kube:
        environment = settings_for(kube, tmp_path)
        trusted = {"PORTAL_TRUSTED_GIT_HOSTS": git_server.host}
        with running(patience=3, **environment, **trusted) as stack:
            stack.account("ada")
            yield stack


@pytest.mark.long
@pytest.mark.slow("a portal of its own starts three times, with a build", seconds=600)
def test_an_empty_database_removes_nothing(mine: Stack, git_server: GitServer) -> None:
    survives_an_empty_one(mine, git_server)


@pytest.mark.long
@pytest.mark.slow("a portal of its own starts five times, with two builds", seconds=1200)
def test_nothing_is_removed_and_adopt_reunites_database_and_data(
    mine: Stack, git_server: GitServer
) -> None:
    survives(mine, git_server)


@pytest.fixture
def marking(backend: KubernetesBackend, kube: Kube, settings) -> KubernetesBackend:
    """The back end, which labels what it makes once its namespace has an id."""
    labels = backend._namespace.labels
    backend._cluster = Cluster(kube.namespace, settings.KUBECONFIG, labels=labels)
    return backend


def ids(backend: KubernetesBackend) -> set[str]:
    found = [each for kind in KINDS for each in backend._cluster.list(kind, _ours()).items]
    return {each["metadata"]["labels"].get(INSTALLATION, "") for each in found}


def others(backend: KubernetesBackend, server: ServerSpec) -> int:
    """Return how many of this notebook's objects are reported as another installation's."""
    hers = {f"{server.name}-{server.id}", f"{server.volume}-nfs-pvc", f"{server.volume}-ssh-key"}
    return sum(each.split()[1] in hers for each in backend.foreign())


def _ours() -> dict[str, str]:
    return {"labelSelector": OURS}


@pytest.mark.slow("a notebook starts", seconds=300)
def test_known_objects_get_the_id_and_others_are_left_alone(
    marking: KubernetesBackend,
    plain: BuildSpec,
    wish: Callable[..., ServerSpec],
) -> None:
    identity = SshIdentity("the private key", "ssh-ed25519 AAAAada", "known")
    server = replace(wish(plain), identity=identity)
    unlabelled = marking._cluster
    unlabelled._labels = dict
    marking.ensure_server(server)
    settled(marking, server)
    assert ids(marking) == {""}
    unlabelled._labels = marking._namespace.labels

    assert marking.ensure_installation(MINE) == MINE
    assert marking.ensure_installation(THEIRS) == MINE
    marking.assign_installation(Inventory())
    assert ids(marking) == {""}
    there = marking.inventory()
    assert (server.name in there.projects, server.volume in there.volumes) == (True, True)
    marking.assign_installation(there)
    assert ids(marking) == {MINE}
    assert [report.has_installation_id for report in marking.servers()] == [True]

    change = {"metadata": {"labels": {INSTALLATION: THEIRS}}}
    for kind in KINDS:
        for each in marking._cluster.list(kind, _ours()).items:
            marking._cluster.patch(kind, each["metadata"]["name"], change)
    assert (marking.servers(), marking.inventory()) == ([], Inventory())
    assert others(marking, server) == 4  # pod, two Secrets, claim
    marking.remove_server(server.id)
    marking.forget_server(server.id)
    marking.remove_project(server.name)
    assert others(marking, server) == 4
    back = {"metadata": {"labels": {INSTALLATION: MINE}}}
    for kind in KINDS:
        for each in marking._cluster.list(kind, _ours()).items:
            marking._cluster.patch(kind, each["metadata"]["name"], back)
    assert [report.id for report in marking.servers()] == [server.id]
