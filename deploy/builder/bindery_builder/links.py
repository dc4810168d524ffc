"""Read a repository's files without following a symbolic link out of it."""

from __future__ import annotations

import json
import os
from pathlib import Path

from sessions.repofiles.configuration import encoding, names

from .result import BuildFailed

_RESOURCES = ".resources"
_MAX_RESOURCES_LENGTH = 2000
_MAX_RESULT_BYTES = 3800  # bytes, in a result


def check_links(repository: Path) -> None:
    """Raise `BuildFailed` if a file that a build reads is outside the repository."""
    if path := names.escaping_build_file(repository):
        raise BuildFailed(
            "build.symlink-outside",
            f"The symbolic link {path} points outside the repository. "
            "Replace it with the file itself and try again.",
        )


def resources(repository: Path) -> str | None:
    """Return the text of `.resources` if it is a plain file of at most 2,000 characters."""
    try:
        descriptor = os.open(repository / _RESOURCES, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with open(descriptor, "rb") as file:
            text = encoding.decode(file.read(4 * _MAX_RESOURCES_LENGTH + 1))
    except (OSError, encoding.UndecodableText):
        return None
    fits = len(json.dumps(text, ensure_ascii=False).encode()) <= _MAX_RESULT_BYTES
    return text if fits and len(text) <= _MAX_RESOURCES_LENGTH else None
