"""Folders as values: what a test writes to the disk, and what it finds there."""

from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import Any

from sessions.repofiles.merge import merge

FIRST, SECOND, THIRD = "1" * 40, "2" * 40, "3" * 40
BESIDE = f".from-{SECOND[:7]}"

Value = Any
"""None is nothing, bytes a file, (bytes, mode) a file with a mode, str a link, dict a folder."""


def write(path: Path, value: Value) -> None:
    """Put exactly this value at the path."""
    remove(path)
    if isinstance(value, dict):
        path.mkdir()
        for name, inside in value.items():
            write(path / name, inside)
    elif isinstance(value, str):
        path.symlink_to(value)
    elif value is not None:
        content, mode = value if isinstance(value, tuple) else (value, 0o644)
        path.write_bytes(content)
        path.chmod(mode)


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    elif os.path.lexists(path):
        path.unlink()


def read(path: Path) -> Value:
    """Return the value at the path; the mode of a file is included unless it is 644."""
    if path.is_symlink():
        return os.readlink(path)
    if path.is_dir():
        return {entry.name: read(Path(entry.path)) for entry in os.scandir(path)}
    if not path.exists():
        return None
    mode = stat.S_IMODE(path.stat().st_mode)
    content = path.read_bytes()
    return content if mode == 0o644 else (content, mode)


class Sides:
    """A repository, a person's folder and the record of it, in ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.built, self.mine, self.record = folder / "built", folder / "mine", folder / "record"
        self.report: dict[str, Any] = {}
        self.found: Value = None

    def merge(self, theirs: Value, commit: str = SECOND) -> dict[str, Any]:
        """Merge what the repository has now."""
        write(self.built, theirs)
        return self.again(commit)

    def again(self, commit: str = SECOND) -> dict[str, Any]:
        return merge(str(self.built), str(self.mine), str(self.record), commit)

    def has(self) -> Value:
        return read(self.mine)
