"""Find how a repository is to be built, by repo2docker's own rules.

A program of its own:

    detect.py <answer.json> <python version>...

It reads the current directory, which strangers fill, so it runs in a sandbox that has repo2docker
and no network. The arguments are the available versions of Python, the preferred one first. The
answer is JSON: either what was found (`_detect`), or ``{"error": code, "message": …}``.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from typing import Any

from packaging.version import Version
from repo2docker import buildpacks
from repo2docker.app import Repo2Docker
from repo2docker.buildpacks import python as python_rules

# Files that make repo2docker choose a build pack, so that the message can name the file.
MARKER_FILES = {
    "DockerBuildPack": ["Dockerfile"],
    "LegacyBinderDockerBuildPack": ["Dockerfile"],
    "JuliaProjectTomlBuildPack": ["Project.toml", "JuliaProject.toml"],
    "JuliaRequireBuildPack": ["REQUIRE"],
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
    try:
        answer = _detect(versions)
    except Exception as error:  # noqa: BLE001  (an untrusted file can make a parser raise anything)
        answer = {"error": "build.configuration", "message": _error_message(error)}
    with open(answer_path, "w") as file:
        json.dump(answer, file)


def _detect(versions: list[str]) -> dict[str, Any]:
    """Return the build pack and what its build needs, or why there can be none."""
    pack = _pack(versions)
    name = type(pack).__name__
    if name not in PYTHON_PACKS:
        return {"pack": name, "containers": _first(pack, MARKER_FILES.get(name, [])) or name}
    if os.path.lexists(pack.binder_path("apt.txt")):
        return {"pack": name, "containers": pack.binder_path("apt.txt")}
    version = ".".join(str(pack.python_version).split(".")[:2])
    if version not in versions:
        return {"error": "build.python-missing", "message": version}
    return {
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
    for kind in [*Repo2Docker().buildpacks, buildpacks.PythonBuildPack]:
        ours = {"major_pythons": {**getattr(kind, "major_pythons", {}), "3": versions[0]}}
        pack = type(kind.__name__, (kind,), ours)("unused")
        if pack.detect():
            return pack
    return pack


def _first(pack: Any, names: list[str]) -> str:
    """Return the first of these files that exists, as a path in the repository; "" if none does."""
    paths = [pack.binder_path(name) for name in names]
    return next((path for path in paths if os.path.exists(path)), "")


def _error_message(error: Exception) -> str:
    """Return what the error says, at most 500 characters of it."""
    return (str(error) or type(error).__name__).strip()[:500]


if __name__ == "__main__":
    main()
