"""Fixtures: an API server on the loopback, and the portal's connection to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sessions.backends.kubernetes.cluster import Cluster
from tests.kubernetes.apiserver import ApiServer


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiServer]:
    with ApiServer(tmp_path) as server:
        yield server


@pytest.fixture
def cluster(api: ApiServer) -> Cluster:
    return Cluster("test", api.kubeconfig)
