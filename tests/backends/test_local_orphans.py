"""Leftovers in the projects' folder: which ones are swept out, and what an operator can find there
again.
"""

from __future__ import annotations

from sessions.backends.local.folders import Folders
from sessions.backends.local.orphans import sweep


def test_the_sweep_removes_only_folders_marked_for_removal(tmp_path):
    projects = tmp_path / "projects"
    for name in ("ada-1", ".ada-2-0123abcd", ".before-restore-20261130-120000", ".set-aside"):
        (projects / name).mkdir(parents=True)
    assert sweep(Folders(tmp_path)) == [".ada-2-0123abcd"]
    left = {".before-restore-20261130-120000", ".set-aside", "ada-1"}
    assert {path.name for path in projects.iterdir()} == left
