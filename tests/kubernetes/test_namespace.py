"""Ownership of a namespace's objects, as the API server is asked and told."""

from __future__ import annotations

from dataclasses import replace

import pytest

from keys.keypairs import SshIdentity
from sessions.backends import Inventory
from sessions.backends.kubernetes import KubernetesBackend
from sessions.backends.kubernetes.cluster import Cluster
from sessions.backends.kubernetes.labels import INSTALLATION
from sessions.errors import NotAllowed, TemporaryError
from tests.kubernetes.apiserver import ApiServer
from tests.kubernetes.things import BUILD, SERVER

MINE, THEIRS = "a" * 32, "b" * 32
RUN = "ada-flowers-lrkajvgx-9"
KEY = SshIdentity("the private key", "ssh-ed25519 AAAAada", "known")


@pytest.fixture
def backend(api: ApiServer) -> KubernetesBackend:
    backend = KubernetesBackend()
    backend._cluster = Cluster("test", api.kubeconfig, labels=backend._namespace.labels)
    return backend


@pytest.fixture
def ours(backend: KubernetesBackend) -> KubernetesBackend:
    backend.ensure_installation(MINE)
    return backend


def ids(api: ApiServer) -> set[str]:
    """Return the installation ids on all objects but the ConfigMap."""
    kinds = ("pods", "secrets", "persistentvolumeclaims")
    things = [thing for kind in kinds for thing in api.things[kind].values()]
    return {thing["metadata"]["labels"].get(INSTALLATION, "") for thing in things}


def belongs_to(api: ApiServer, kind: str, name: str, whose: str) -> None:
    thing = api.things[kind][name]
    labels = {**thing["metadata"]["labels"], INSTALLATION: whose}
    api.put(kind, {**thing, "metadata": {**thing["metadata"], "labels": labels}})


def test_the_first_installation_id_is_kept(backend):
    assert backend.installation() == ""
    assert backend.ensure_installation(MINE) == MINE
    assert backend.ensure_installation(THEIRS) == MINE
    assert backend.installation() == MINE


def test_every_created_object_bears_the_installation_id(api, ours):
    ours.ensure_build(replace(BUILD, identity=KEY))
    ours.ensure_server(replace(SERVER, identity=KEY))
    assert ids(api) == {MINE}
    assert {report.has_installation_id for report in (*ours.builds(), *ours.servers())} == {True}
    assert ours.inventory() == Inventory(
        projects=frozenset({SERVER.name}),
        volumes=frozenset({"ada"}),
        sessions=frozenset({SERVER.id}),
        builds=frozenset({BUILD.id}),
    )


def test_only_known_older_objects_are_given_the_installation_id(api, backend):
    backend.ensure_build(replace(BUILD, identity=KEY))
    backend.ensure_server(replace(SERVER, identity=KEY))
    assert ids(api) == {""}
    backend.ensure_installation(MINE)
    backend.assign_installation(Inventory())
    assert ids(api) == {""}
    reports = (*backend.builds(), *backend.servers())
    assert {report.has_installation_id for report in reports} == {False}
    backend.assign_installation(replace(backend.inventory(), builds=frozenset()))
    assert ids(api) == {"", MINE}
    backend.assign_installation(backend.inventory())
    assert ids(api) == {MINE}


def test_objects_with_another_id_are_left_alone_and_listed(api, ours):
    ours.ensure_build(BUILD)
    ours.ensure_server(SERVER)
    for kind, name in (
        ("pods", "build-7"),
        ("pods", RUN),
        ("secrets", RUN),
        ("persistentvolumeclaims", "ada-nfs-pvc"),
    ):
        belongs_to(api, kind, name, THEIRS)
    assert (ours.builds(), ours.servers(), ours.projects()) == ([], [], [])
    assert ours.inventory() == Inventory()
    assert ours.foreign() == [
        f"persistentvolumeclaims ada-nfs-pvc ({THEIRS})",
        f"pods {RUN} ({THEIRS})",
        f"pods build-7 ({THEIRS})",
        f"secrets {RUN} ({THEIRS})",
    ]
    for end in (ours.cancel_build, ours.forget_build):
        end(BUILD.id)
    for end in (ours.remove_server, ours.kill_server, ours.forget_server):
        end(SERVER.id)
    ours.remove_project(SERVER.name)
    assert api.things["pods"].keys() == {"build-7", RUN}
    assert "annotations" not in api.things["secrets"][RUN]["metadata"]
    for start, spec in ((ours.ensure_build, BUILD), (ours.ensure_server, SERVER)):
        with pytest.raises(TemporaryError, match="Another portal"):
            start(spec)


def test_missing_rights_raise_not_allowed_but_builds_still_start(api, backend):
    api.fail(403, b'{"message": "configmaps is forbidden"}')
    with pytest.raises(NotAllowed, match="forbidden"):
        backend.installation()
    api.fail(403, b'{"message": "secrets is forbidden"}')
    with pytest.raises(NotAllowed, match="forbidden"):
        backend.inventory()
    api.fail(403, b'{"message": "configmaps is forbidden"}')
    backend.ensure_build(BUILD)
    assert "build-7" in api.things["pods"]


def test_the_last_known_id_applies_while_the_cluster_is_unreachable(api, ours):
    ours.ensure_build(BUILD)
    belongs_to(api, "pods", "build-7", THEIRS)
    pod = api.things["pods"]["build-7"]
    assert ours._namespace.is_foreign(pod)
    ours._namespace._until = 0.0
    api.fail(503, b"{}")
    assert ours._namespace.is_foreign(pod)
