"""Put the files that a build may copy in place, without copying them a second time."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from sessions.repofiles.configuration import encoding

from .result import BuildFailed

IGNORE_FILES = (".containerignore", ".dockerignore")
"""Files that say what a Dockerfile's context leaves out; the first one counts, as for buildah."""


def write_ignore_file(repository: Path, target: Path) -> None:
    """Write the repository's ignore file, if it has one, in UTF-8: buildah reads nothing else.

    Raises `BuildFailed` if it is not text.
    """
    for path in (repository / name for name in IGNORE_FILES):
        if not path.is_file():
            continue
        try:
            target.write_text(encoding.decode(path.read_bytes()))
        except encoding.UndecodableText as error:
            raise BuildFailed(
                "build.dockerfile",
                f"{path.name} is not text in UTF-8 (line {error.line}). Save it as UTF-8 and try "
                "again.",
            ) from None
        return


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
