"""A person's volume: one that only one node can mount, and one that was restored by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from sessions.backends import BuildSpec, ServerSpec
from sessions.backends.kubernetes import KubernetesBackend
from sessions.errors import UserError
from tests.backends.waiting import settled, until
from tests.cluster.kube import Kube, end_of

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow("builds and notebooks of a cluster", seconds=300),
]


def test_all_notebooks_of_a_person_run_on_their_volumes_node(
    backend: KubernetesBackend,
    kube: Kube,
    wish: Callable[..., ServerSpec],
    plain: BuildSpec,
) -> None:
    backend.site = replace(backend.site, volume_access="ReadWriteOnce")
    notebooks = [wish(plain, owner="bob"), wish(plain, owner="bob")]
    for spec in notebooks:
        backend.ensure_server(spec)
        assert settled(backend, spec).state == "ready"
    claim = kube.core.read_namespaced_persistent_volume_claim("bob-nfs-pvc", kube.namespace)
    assert claim.spec.access_modes == ["ReadWriteOnce"]
    assert len({pod.spec.node_name for pod in kube.pods("bindery/owner=bob")}) == 1


def test_a_manually_restored_claim_works_after_adoption_under_both_names(
    backend: KubernetesBackend,
    kube: Kube,
    wish: Callable[..., ServerSpec],
    plain: BuildSpec,
) -> None:
    restored_by_hand(kube, "carol-nfs-pvc", "echo mine > /volume/kept.txt && chown -R 1000 /volume")
    notebook = replace(
        wish(plain),
        name="carol-restored",
        owner="caroline",
        former_names=("carol",),
        volume="carol",
        owner_id=3,
    )
    with pytest.raises(UserError, match="carol-nfs-pvc"):
        backend.ensure_server(notebook)
    assert backend.adopt_volume("carol", 3)
    backend.ensure_server(notebook)
    assert settled(backend, notebook).state == "ready"
    paths = "/home/carol-nfs-pvc/kept.txt /home/caroline-nfs-pvc/kept.txt"
    assert kube.run(f"{notebook.name}-{notebook.id}", f"cat {paths}") == "mine\nmine\n"


def restored_by_hand(kube: Kube, name: str, fill: str) -> None:
    """Make a claim without labels, with what the shell command leaves in /volume."""
    wants = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1G"}}}
    claim = {"metadata": {"name": name}, "spec": wants}
    kube.core.create_namespaced_persistent_volume_claim(kube.namespace, claim)
    container = {
        "name": "fill",
        "image": f"{kube.registry}/jupyter:1",
        "command": ["sh", "-c", fill],
        "securityContext": {"runAsUser": 0},
        "volumeMounts": [{"name": "volume", "mountPath": "/volume"}],
    }
    pod = {
        "restartPolicy": "Never",
        "containers": [container],
        "volumes": [{"name": "volume", "persistentVolumeClaim": {"claimName": name}}],
    }
    kube.core.create_namespaced_pod(kube.namespace, {"metadata": {"name": "fill"}, "spec": pod})
    ended = until(lambda: end_of(kube, "fill"))
    assert ended == "Succeeded", kube.core.read_namespaced_pod_log("fill", kube.namespace)
    kube.core.delete_namespaced_pod("fill", kube.namespace, grace_period_seconds=0)
