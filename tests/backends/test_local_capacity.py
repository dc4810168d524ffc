"""The local back end's capacity: all of its machine."""

from __future__ import annotations

import platform

from sessions.backends.local import LocalBackend
from sessions.backends.local.reports import server_report


def test_capacity_is_that_of_the_machine_without_gpus():
    found = LocalBackend().capacity()
    assert (found.cpu or 0) >= 1
    assert 0.1 < (found.memory_gb or 0) < 100_000
    assert found.gpu == 0


def test_a_notebooks_node_is_this_machine(tmp_path):
    assert server_report(7, tmp_path).node == platform.node() != ""
