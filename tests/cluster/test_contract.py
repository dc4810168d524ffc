"""The Kubernetes back end keeps the contract of all back ends."""

from __future__ import annotations

import pytest

from tests.backends.contract import BackendContract

pytestmark = pytest.mark.cluster


class TestKubernetesBackend(BackendContract):
    pass
