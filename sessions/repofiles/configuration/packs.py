"""Choose a build pack by repo2docker's own rules, and describe what it was chosen by.

repo2docker is imported by the two programs that use this: `sessions.repofiles.detect` for one
machine, and the builder's `render`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from . import names, summary
from .prepare import Prepared

_MAX_MESSAGE_LENGTH = 500
_OLD_JULIA = (
    "REQUIRE lists packages for Julia before 1.0, which can no longer be installed. Write a "
    "Project.toml instead."
)


class FileRefused(Exception):
    """Raised with a sentence if a file that a build would use cannot be read."""


class FilesOnly:
    """A mixin for build packs: a folder that has the name of a file is as good as not there."""

    def binder_path(self, path: str) -> str:
        """Return the path of a file in the folder that describes the environment."""
        found: str = super().binder_path(path)  # type: ignore[misc]
        return f"{found} (not a file)" if os.path.isdir(found) else found


def find(kinds: Iterable[type], image: str, changes: Callable[[type], Mapping[str, Any]]) -> Any:
    """Return the first pack that takes the repository in the current directory, else the last.

    It is the instance that detected the repository, because that has state. ``changes`` returns the
    attributes to replace in a kind of packs.
    """
    pack = None
    for kind in kinds:
        if kind.__name__.startswith("Legacy") and not os.path.isfile(names.DOCKERFILE):
            continue
        pack = type(kind.__name__, (FilesOnly, kind), dict(changes(kind)))(image)
        if pack.detect():
            break
    return pack


def describe(pack: Any, prepared: Prepared) -> dict[str, Any]:
    """Return, for an answer, what the log says about the files, and what explains failures.

    Raises `FileRefused`.
    """
    name = type(pack).__name__
    is_package = bool(getattr(pack, "_is_python_package", bool)())
    if name == "JuliaRequireBuildPack":
        raise FileRefused(_OLD_JULIA)
    taken = summary.used(name, prepared, is_package=is_package)
    for path, fault in prepared.faults.items():
        if summary.concerns(path, taken):
            raise FileRefused(fault)
    mistakes = prepared.mistakes.items()
    return {
        "report": summary.lines(name, prepared, taken),
        "mistakes": {path: text for path, text in mistakes if summary.concerns(path, taken)},
        "rewritten": bool(prepared.digests),
        "node": any(path in taken for path in prepared.node),
    }


def error_message(error: Exception, prepared: Prepared | None) -> str:
    """Return what is wrong with the files: a known fault, else what the parser says of itself."""
    faults = prepared.faults.values() if prepared else ()
    known = "" if isinstance(error, FileRefused) else next(iter(faults), "")
    return (known or str(error) or type(error).__name__).strip()[:_MAX_MESSAGE_LENGTH]
