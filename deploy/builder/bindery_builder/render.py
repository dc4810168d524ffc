"""Find the build pack and render it, with repo2docker as a library.

A separate program:

    python -I -m bindery_builder.render <what is wanted, JSON> <answer.json>

It works on the current directory, whose content is untrusted, and some packs query the internet
while they render: `plan` gives it a minute. The answer has the pack and the Dockerfile's path or
text, or is ``{"error": code, "message": …}``. The only module that imports repo2docker.

The repository's files are made plain before they are read (`sessions.repofiles.configuration`). An
image gets the originals in its last step; for a Dockerfile, `plan` puts them back.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import requests
from docker.utils.build import exclude_paths
from repo2docker import buildpacks
from repo2docker.app import Repo2Docker
from repo2docker.buildpacks import base

from sessions.repofiles.configuration import aptfile, packs
from sessions.repofiles.configuration.prepare import ORIGINALS, Prepared, prepare

from . import context, python_image

BUILDPACKS = {
    "DockerBuildPack": "dockerfile",
    "JuliaProjectTomlBuildPack": "julia",
    "JuliaRequireBuildPack": "julia",
    "NixBuildPack": "nix",
    "RBuildPack": "r",
    "CondaBuildPack": "conda",
    "PipfileBuildPack": "pipfile",
    "PythonBuildPack": "python",
}
_PLATFORMS = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}
_IGNORES = (".dockerignore", ".containerignore")
_SCRIPTS = ("repo2docker-entrypoint", "python3-login")
_UNSPECIFIED_PYTHON = "3"
ARGUMENTS = {"NB_USER": "jovyan", "NB_UID": "1000"}


def main() -> None:
    """Render the repository and write the answer."""
    wanted, answer_path = json.loads(sys.argv[1]), sys.argv[2]
    logging.basicConfig(format="%(message)s", level=logging.ERROR)
    prepared = None
    try:
        prepared = prepare(Path(wanted["kept"]), wanted["index"])
        answer = _render(wanted, prepared)
    except Exception as error:  # noqa: BLE001  (an untrusted file can make a parser raise anything)
        code = "build.render" if _is_network_error(error) else "build.configuration"
        answer = {"error": code, "message": packs.error_message(error, prepared)}
    Path(answer_path).write_text(json.dumps(answer))


def _render(wanted: dict[str, Any], prepared: Prepared) -> dict[str, Any]:
    app = Repo2Docker()
    kinds = [*app.buildpacks, buildpacks.PythonBuildPack]
    pack = packs.find(kinds, wanted["base_image"] or app.base_image, lambda _: {})
    pack.platform = _PLATFORMS[platform.machine()]
    pack.labels.update(wanted["labels"])
    name = BUILDPACKS[type(pack).__name__]
    found = {**packs.describe(pack, prepared), "pack": name}
    if name == "dockerfile":
        return {**found, "dockerfile": pack.binder_path("Dockerfile")}
    folder = Path(wanted["context"])
    if name in {"python", "pipfile"} and wanted["python_image"]:
        needs = _needs(type(pack), name, node=found["node"])
        text = python_image.dockerfile(wanted["python_image"], needs, wanted["labels"])
        _fill(folder, pack, {str(Path(__file__).with_name(python_image.PREPARE)): "prepare.py"})
        found["needs"] = asdict(needs)
    else:
        text = pack.render(ARGUMENTS)  # also finds its files
        _fill(folder, pack, _script_files(pack))
    return {**found, "text": text + _restore(folder, Path(wanted["kept"]) / ORIGINALS)}


def _restore(folder: Path, originals: Path) -> str:
    """Put the originals of plain files into the context; return the step that copies them."""
    if not originals.is_dir():
        return ""
    shutil.copytree(originals, folder / ORIGINALS, symlinks=True)
    return f'\nCOPY --chown=1000:1000 ["{ORIGINALS}/", "{python_image.HOME}/"]\n'


def _script_files(pack: Any) -> dict[str, str]:
    """Map repo2docker's own files that go beside the repository to their places."""
    named = [pack.generate_build_context_filename(path) for path in pack.get_build_script_files()]
    return {
        **{source: target for target, source in named},
        **{os.path.join(base.HERE, name): name for name in _SCRIPTS},
    }


def _fill(folder: Path, pack: Any, files: dict[str, str]) -> None:
    """Make the context as `BuildPack.build` would, in a folder instead of in memory."""
    for source, target in files.items():
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, folder / target)
    context.fill(folder / "src", Path(), exclude_paths(".", _ignored(pack)))


def _ignored(pack: Any) -> list[str]:
    paths = [Path(pack.binder_path(name)) for name in _IGNORES]
    lines = [line for path in paths if path.exists() for line in path.read_text().splitlines()]
    return [line.strip() for line in lines if line.strip() and not line.strip().startswith("#")]


def _needs(kind: Any, name: str, *, node: bool) -> python_image.Needs:
    """Return what a plain Python repository needs, by repo2docker's own rules."""
    majors = {"major_pythons": {**kind.major_pythons, "3": _UNSPECIFIED_PYTHON}}
    pack = type(kind.__name__, (kind,), majors)("unused")
    start = pack.binder_path("start")
    apt = Path(pack.binder_path("apt.txt"))
    return python_image.Needs(
        python=_required_python(pack),
        apt=aptfile.packages(apt.read_text()) if apt.exists() else (),
        requirements=_first_existing(pack, ["requirements.txt"]) if name == "python" else "",
        preassemble=name == "python" and _preassembles(pack),
        pipfile=_first_existing(pack, ["Pipfile.lock", "Pipfile"]) if name == "pipfile" else "",
        package=name == "python" and bool(pack._is_python_package()),  # noqa: SLF001
        post_build=tuple(pack.get_post_build_scripts()),
        start=start if os.path.exists(start) else "",
        node=node,
    )


def _required_python(pack: Any) -> str:
    """Return the required version of Python, such as ``3.11``, or "".

    A lower bound in pyproject.toml is left to pip, which knows the installed version.
    """
    version = str(pack.python_version)
    if version == _UNSPECIFIED_PYTHON or getattr(pack, "_python_version_source", "") == "fallback":
        return ""
    return ".".join(version.split(".")[:2])


def _preassembles(pack: Any) -> bool:
    return bool(_first_existing(pack, ["requirements.txt"]) and pack._should_preassemble_pip)  # noqa: SLF001


def _first_existing(pack: Any, names: list[str]) -> str:
    """Return the first of these files that exists, as a path in the repository."""
    paths = [pack.binder_path(name) for name in names]
    return next((path for path in paths if os.path.exists(path)), "")


def _is_network_error(error: BaseException | None) -> bool:
    """Return whether the error comes from a request to the internet, however it was wrapped."""
    return error is not None and (
        isinstance(error, requests.RequestException) or _is_network_error(error.__context__)
    )


if __name__ == "__main__":
    main()
