"""The Kubernetes back end keeps the contract of all back ends."""

from __future__ import annotations

import pytest

from sessions.backends import BuildSpec
from tests.backends.contract import BackendContract

pytestmark = [pytest.mark.cluster, pytest.mark.slow("a cluster takes its time", seconds=400)]


class TestKubernetesBackend(BackendContract):
    @pytest.fixture
    def plain(self, plain: BuildSpec) -> BuildSpec:
        """The image that all processes share, instead of one for each."""
        return plain
