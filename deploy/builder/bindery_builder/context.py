"""Put the files that a build may copy in place, without copying them a second time."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def fill(target: Path, source: Path, paths: Iterable[str]) -> None:
    """Put these paths of ``source`` into ``target`` as hard links.

    Symbolic links stay as they are.
    """
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(paths):
        at, to = source / path, target / path
        to.parent.mkdir(parents=True, exist_ok=True)
        if at.is_dir() and not at.is_symlink():
            to.mkdir(exist_ok=True)
        else:
            os.link(at, to, follow_symlinks=False)
