"""Fixtures: folders in memory, because a merge syncs what it writes, which takes long on a busy
disk.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sessions.backends.local.keeper.files import remove
from tests import scratch
from tests.repofiles.folders import Sides


@pytest.fixture(scope="module")
def in_memory() -> Iterator[Path]:
    """A folder for one module."""
    folder = scratch.folder()
    yield folder
    remove(folder)


@pytest.fixture
def sides(in_memory: Path) -> Sides:
    """A repository, a person's folder and its record; new for each test."""
    return Sides(Path(tempfile.mkdtemp(dir=in_memory)))
