"""A stranger's program in one of our pods finds nothing of the cluster or the portal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from keys.keypairs import SshIdentity
from sessions.backends.kubernetes import buildpod, serverpod
from sessions.backends.kubernetes.homes import pods as homes
from tests.kubernetes.things import BARE, BUILD, FULL, SERVER, Pod, containers

IDENTITY = SshIdentity("PRIVATE", "ssh-ed25519 AAAA ada", "hosts")
SOURCES = {"emptyDir", "secret", "configMap", "persistentVolumeClaim"}
"""Allowed kinds of volumes: none from the node, and none that tells of pod or cluster (downwardAPI,
projected)."""
HOSTS = ("hostNetwork", "hostPID", "hostIPC", "hostUsers", "shareProcessNamespace")


def pods() -> Iterator[tuple[str, Pod]]:
    for site, named in ((BARE, "bare"), (FULL, "full")):
        for identity in (None, IDENTITY):
            whose = f"{named}, {'private' if identity else 'public'}"
            build, server = replace(BUILD, identity=identity), replace(SERVER, identity=identity)
            yield f"build, {whose}", buildpod.build_pod(build, site)
            yield f"notebook, {whose}", serverpod.pod(server, site, "uid")
        yield f"helper, {named}", homes.helper_pod("drop", SERVER.name, SERVER.volume, site)
        yield f"files, {named}", homes.files_pod(SERVER.volume, "nonce", "hash", site)


every_pod = pytest.mark.parametrize("pod", [pytest.param(pod, id=name) for name, pod in pods()])


@every_pod
def test_no_pod_has_a_service_account_token(pod: Pod):
    spec = pod["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert "serviceAccountName" not in spec
    assert "serviceAccount" not in spec


@every_pod
def test_no_variable_reveals_services_or_pod_fields(pod: Pod):
    assert pod["spec"]["enableServiceLinks"] is False
    for container in containers(pod).values():
        assert "envFrom" not in container
        for variable in container.get("env", []):
            assert set(variable) == {"name", "value"}


@every_pod
def test_no_volume_comes_from_the_node_or_the_downward_api(pod: Pod):
    for volume in pod["spec"]["volumes"]:
        assert set(volume) - {"name"} <= SOURCES, volume


@every_pod
def test_no_namespace_is_shared_with_the_node_or_between_containers(pod: Pod):
    assert not set(HOSTS) & set(pod["spec"])


FILTERS = (
    {"type": "RuntimeDefault"},
    {"type": "Localhost", "localhostProfile": "bindery-notebook.json"},
)


@every_pod
def test_seccomp_is_set_except_where_images_are_unpacked(pod: Pod):
    default = pod["spec"]["securityContext"]["seccompProfile"]
    assert default in FILTERS
    other = {
        name: container["securityContext"]["seccompProfile"]
        for name, container in containers(pod).items()
        if container["securityContext"].get("seccompProfile", default) != default
    }
    is_build = pod["metadata"]["labels"]["bindery/kind"] == "build"
    unpacks = {name: {"type": "Unconfined"} for name in ("pull", "build")}
    assert other == (unpacks if is_build else {})


@every_pod
def test_no_container_can_gain_privileges(pod: Pod):
    for container in containers(pod).values():
        rights: dict[str, Any] = container["securityContext"]
        assert rights["allowPrivilegeEscalation"] is False
        assert not rights.get("privileged")
        assert "procMount" not in rights


HOSTILE = {
    "spec": {
        "automountServiceAccountToken": True,
        "enableServiceLinks": True,
        "securityContext": {"seccompProfile": {"type": "Unconfined"}},
        "containers": [
            {"name": serverpod.CONTAINER, "securityContext": {"procMount": "Unmasked"}},
        ],
    }
}


def test_a_hostile_template_weakens_none_of_these_protections():
    pod = serverpod.pod(SERVER, replace(FULL, pod_template=HOSTILE), "uid")
    test_no_pod_has_a_service_account_token(pod)
    test_no_variable_reveals_services_or_pod_fields(pod)
    test_seccomp_is_set_except_where_images_are_unpacked(pod)
    test_no_container_can_gain_privileges(pod)
