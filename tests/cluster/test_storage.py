"""A person's volume that only one node can have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from sessions.backends import BuildSpec, ServerSpec
from sessions.backends.kubernetes import KubernetesBackend
from tests.backends.waiting import built, settled
from tests.cluster.kube import Kube

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]


def test_all_notebooks_of_a_person_run_where_their_volume_is(
    backend: KubernetesBackend,
    kube: Kube,
    order: Callable[[dict[str, str]], BuildSpec],
    wish: Callable[..., ServerSpec],
    images: dict[str, BuildSpec],
) -> None:
    image = images.get("plain") or built(backend, order({"index.ipynb": "{}"}))
    images["plain"] = image
    backend.site = replace(backend.site, volume_access="ReadWriteOnce")
    notebooks = [wish(image, owner="bob"), wish(image, owner="bob")]
    for spec in notebooks:
        backend.ensure_server(spec)
        assert settled(backend, spec).state == "ready"
    claim = kube.core.read_namespaced_persistent_volume_claim("bob-nfs-pvc", kube.namespace)
    assert claim.spec.access_modes == ["ReadWriteOnce"]
    assert len({pod.spec.node_name for pod in kube.pods("bindery/owner=bob")}) == 1
