"""Choose a build pack by repo2docker's own rules, and describe what it was chosen by.

repo2docker is imported by the two programs that use this: `sessions.repofiles.detect` for one
machine, and the builder's `render`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML, YAMLError

from . import names, summary
from .prepare import Prepared

_MAX_MESSAGE_LENGTH = 500
_OLD_JULIA = (
    "REQUIRE lists packages for Julia before 1.0, which can no longer be installed. Write a "
    "Project.toml instead."
)


_VERSION = re.compile(r"(python|r-base)\s*=+\s*([\d.]*)")
_MAJORS = ("2", "3", "4")
_RIDDLES = (AttributeError, IndexError, KeyError, TypeError)
"""Errors whose texts say nothing to people: a value of another kind than repo2docker expects."""


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
    for path in taken:
        if os.path.basename(path) in names.ENVIRONMENT:
            _check_environment(path)
    mistakes = prepared.mistakes.items()
    return {
        "report": summary.lines(name, prepared, taken),
        "mistakes": {path: text for path, text in mistakes if summary.concerns(path, taken)},
        "places": prepared.places,
        "rewritten": bool(prepared.digests),
        "node": any(path in taken for path in prepared.node),
    }


def _check_environment(path: str) -> None:
    """Raise `FileRefused` unless an environment.yml is a list of packages, as conda reads it.

    repo2docker's own messages about it are riddles, and are not the same for all build packs.
    """
    try:
        found = YAML(typ="safe").load(Path(path))
    except (YAMLError, ValueError, RecursionError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" (line {where.line + 1})" if where else ""
        what = getattr(error, "problem", None) or "it cannot be read"
        raise FileRefused(f"{path} is not valid YAML{line}: {what}.") from None
    packages = found.get("dependencies", []) if isinstance(found, dict) else found
    if not (found is None or (isinstance(found, dict) and isinstance(packages, list))):
        raise FileRefused(
            f"{path} does not list packages as conda reads them. Write dependencies: and below it "
            "one line for each package, such as - numpy=2.1"
        )
    for package in packages or []:
        version = _VERSION.match(package) if isinstance(package, str) else None
        if version and not _is_readable(version[2]):
            raise FileRefused(
                f"{path} says {package.strip()}, which is no version of {version[1]}. Write it "
                "with two numbers, such as python=3.11 or r-base=4.4"
            )


def _is_readable(version: str) -> bool:
    major, _dot, minor = version.partition(".")
    return not version or (major.isdigit() and (minor[:1].isdigit() or version in _MAJORS))


def error_message(error: Exception, prepared: Prepared | None) -> str:
    """Return what is wrong with the files: a known fault, else what the parser says of itself."""
    faults = prepared.faults.values() if prepared else ()
    known = "" if isinstance(error, FileRefused) else next(iter(faults), "")
    if isinstance(error, _RIDDLES):
        known = known or (
            "A file that describes the environment has a value of another kind than expected "
            f"({type(error).__name__}: {error}). Check versions and lists in environment.yml, "
            "Pipfile, pyproject.toml or Project.toml."
        )
    return (known or str(error) or type(error).__name__).strip()[:_MAX_MESSAGE_LENGTH]
