"""Fixtures: an API server on the loopback, and the portal's connection to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sessions.backends.kubernetes import KubernetesBackend
from sessions.backends.kubernetes.cluster import Cluster
from sessions.backends.kubernetes.labels import volume_labels
from sessions.backends.kubernetes.preflight import REQUIRED_RIGHTS
from tests.kubernetes.apiserver import ApiServer


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiServer]:
    """An API server; what is asked of it has to be within the portal's rights."""
    with ApiServer(tmp_path) as server:
        yield server
    granted = {(kind, verb) for kind, verbs in REQUIRED_RIGHTS.items() for verb in verbs}
    assert server.used <= granted


@pytest.fixture
def cluster(api: ApiServer) -> Cluster:
    return Cluster("test", api.kubeconfig)


@pytest.fixture
def backend(cluster: Cluster) -> KubernetesBackend:
    backend = KubernetesBackend()
    backend._cluster = cluster
    return backend


@pytest.fixture
def volume(api: ApiServer) -> None:
    """Make ada's volume."""
    claim = {"name": "ada-nfs-pvc", "labels": volume_labels("ada")}
    api.put("persistentvolumeclaims", {"metadata": claim})
