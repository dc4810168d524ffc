"""Run the test of restored projects of a portal on one machine against a portal on a cluster."""

from __future__ import annotations

import pytest

from tests.whole.test_launches import (
    test_a_deleted_project_is_restored_with_its_files_until_deleted_for_good,
)

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.stack,
    pytest.mark.long,
    pytest.mark.slow("builds and notebooks of a cluster", seconds=600),
]

__all__ = ["test_a_deleted_project_is_restored_with_its_files_until_deleted_for_good"]
