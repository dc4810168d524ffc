"""The Kubernetes back end keeps the contract of all back ends."""

from __future__ import annotations

import pytest

from tests.backends.contract import BackendContract, Once

pytestmark = [pytest.mark.cluster, pytest.mark.slow("a cluster takes its time", seconds=400)]


class TestKubernetesBackend(BackendContract):
    @pytest.fixture
    def once(self, once: Once) -> Once:
        """Build an image once for all processes, instead of once for each."""
        return once
