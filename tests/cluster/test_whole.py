"""Run the tests of a whole portal on one machine against a portal on a cluster.

The drill in `test_drill` covers the parts that may be killed.
"""

from __future__ import annotations

import pytest

from tests.whole.test_crashes import (
    test_a_portal_that_is_ended_and_started_again_finds_everything,
)
from tests.whole.test_launches import (
    test_a_deleted_project_comes_back_with_its_files_until_it_is_gone_for_good,
    test_files_in_the_own_folder_are_there_in_every_notebook,
)

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.stack,
    pytest.mark.slow("builds and notebooks of a cluster", seconds=600),
]

__all__ = [
    "test_a_deleted_project_comes_back_with_its_files_until_it_is_gone_for_good",
    "test_a_portal_that_is_ended_and_started_again_finds_everything",
    "test_files_in_the_own_folder_are_there_in_every_notebook",
]
