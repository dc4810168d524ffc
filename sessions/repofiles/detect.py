"""Find how a repository is to be built, by repo2docker's own rules.

A program of its own:

    python -I -m sessions.repofiles.detect <answer.json> <python version>...

It works on the current directory, which strangers fill, so it runs in a sandbox that has
repo2docker and no network. `configuration.prepare` makes its files plain first; the originals go
beside the answer. The arguments are the available versions of Python, the preferred one first. The
answer is JSON: either what was found (`_detect`), or ``{"error": code, "message": …}``.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

from packaging.version import Version
from repo2docker import buildpacks
from repo2docker.app import Repo2Docker
from repo2docker.buildpacks import python as python_rules

from .configuration import packs
from .configuration.prepare import Prepared, prepare

# Files that make repo2docker choose a build pack, so that the message can name the file.
MARKER_FILES = {
    "DockerBuildPack": ["Dockerfile"],
    "LegacyBinderDockerBuildPack": ["Dockerfile"],
    "JuliaProjectTomlBuildPack": ["Project.toml", "JuliaProject.toml"],
    "NixBuildPack": ["default.nix"],
    "RBuildPack": ["install.R", "DESCRIPTION", "runtime.txt"],
    "CondaBuildPack": ["environment.yml", "environment.yaml"],
}
is_package = python_rules.PythonBuildPack._is_python_package  # noqa: SLF001  (no public name)
PYTHON_PACKS = {"PythonBuildPack": "python", "PipfileBuildPack": "pipfile"}


def main() -> None:
    """Write the answer for the current directory to the file given as the first argument."""
    answer_path, *versions = sys.argv[1:]
    logging.disable(logging.WARNING)  # warnings about a default that is not ours
    with open(answer_path, "w") as file:
        json.dump(_answer(Path(answer_path).parent, versions), file)


def _answer(kept: Path, versions: list[str]) -> dict[str, Any]:
    mirror = os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("PIP_INDEX_URL", "")
    prepared = None
    try:
        prepared = prepare(kept, mirror)
        return _detect(prepared, versions)
    except Exception as error:  # noqa: BLE001  (an untrusted file can make a parser raise anything)
        message = packs.error_message(error, prepared)
        return {"error": "build.configuration", "message": message}


def _detect(prepared: Prepared, versions: list[str]) -> dict[str, Any]:
    """Return the build pack and what its build needs, or why there can be none."""
    pack = _pack(versions)
    name = type(pack).__name__
    described = packs.describe(pack, prepared)
    if name not in PYTHON_PACKS:
        containers = _first(pack, MARKER_FILES.get(name, [])) or name
        return {**described, "pack": name, "containers": containers}
    if os.path.lexists(pack.binder_path("apt.txt")):
        return {**described, "pack": name, "containers": pack.binder_path("apt.txt")}
    version = ".".join(str(pack.python_version).split(".")[:2])
    if version not in versions:
        return {**described, "error": "build.python-missing", "message": version}
    return {
        **described,
        "pack": PYTHON_PACKS[name],
        "python": version,
        "requirements": _first(pack, ["requirements.txt"]) if name == "PythonBuildPack" else "",
        "package": name == "PythonBuildPack" and bool(is_package(pack)),
        "pipfile": _first(pack, ["Pipfile.lock", "Pipfile"]) if name == "PipfileBuildPack" else "",
        "post_build": list(pack.get_post_build_scripts()),
        "start": _first(pack, ["start"]),
    }


def _pack(versions: list[str]) -> Any:
    """Return the build pack that repo2docker would take, given the available versions of Python."""
    # repo2docker takes the last version that matches.
    python_rules.SUPPORTED_PYTHON_VERSION = [Version(version) for version in reversed(versions)]
    kinds = [*Repo2Docker().buildpacks, buildpacks.PythonBuildPack]
    return packs.find(
        kinds,
        "unused",
        lambda kind: {"major_pythons": {**getattr(kind, "major_pythons", {}), "3": versions[0]}},
    )


def _first(pack: Any, names: list[str]) -> str:
    """Return the first of these files that exists, as a path in the repository; "" if none does."""
    paths = [pack.binder_path(name) for name in names]
    return next((path for path in paths if os.path.exists(path)), "")


if __name__ == "__main__":
    main()
