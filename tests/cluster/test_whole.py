"""Run the tests of a whole portal on one machine against a portal on a cluster.

The drill in `test_drill` covers the parts that may be killed.
"""

from __future__ import annotations

import pytest

from tests.whole.test_binder_client import (
    test_a_build_alone_gives_an_image_and_starts_no_notebook,
    test_a_launch_is_told_in_order_and_its_token_opens_this_notebook_only,
)
from tests.whole.test_content import (
    test_edits_and_the_contents_new_commit_are_both_there_after_a_restart,
)
from tests.whole.test_crashes import (
    test_a_restarted_portal_finds_everything,
)
from tests.whole.test_launches import (
    test_files_on_the_volume_are_in_every_notebook_of_the_person,
)

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.stack,
    pytest.mark.long,
    pytest.mark.slow("builds and notebooks of a cluster", seconds=600),
]

__all__ = [
    "test_a_build_alone_gives_an_image_and_starts_no_notebook",
    "test_a_launch_is_told_in_order_and_its_token_opens_this_notebook_only",
    "test_a_restarted_portal_finds_everything",
    "test_edits_and_the_contents_new_commit_are_both_there_after_a_restart",
    "test_files_on_the_volume_are_in_every_notebook_of_the_person",
]
