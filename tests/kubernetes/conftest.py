"""Fixtures: an API server on the loopback, and the portal's connection to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sessions.backends.kubernetes import KubernetesBackend
from sessions.backends.kubernetes.cluster import Cluster
from sessions.backends.kubernetes.labels import volume_labels
from tests.kubernetes.apiserver import ApiServer


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiServer]:
    with ApiServer(tmp_path) as server:
        yield server


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
