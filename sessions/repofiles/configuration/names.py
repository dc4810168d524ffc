"""Know the names of the files that decide an environment, and find what stands in their place.

That is: names that are nearly theirs, and symbolic links that lead out of the repository.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

FOLDERS = ("binder", ".binder")
DOCKERFILE = "Dockerfile"
RUNTIME, APT = "runtime.txt", "apt.txt"
REQUIREMENTS = ("requirements.txt", "requirements3.txt")
ENVIRONMENT = ("environment.yml", "environment.yaml")
IGNORES = (".dockerignore", ".containerignore")
SCRIPTS = ("postBuild", "start", "install.R")
"""Files that the system or R runs."""
RUNNING = ("postBuild", "start", "setup.py", "pyproject.toml")
"""Files that may run programs, in a build or when a notebook starts."""
PARSED = (
    *REQUIREMENTS, *ENVIRONMENT, RUNTIME, APT, "Pipfile", "Pipfile.lock", "pyproject.toml",
    "Project.toml", "JuliaProject.toml", DOCKERFILE, *IGNORES,
)  # fmt: skip
"""Files that are read as text, in UTF-8."""
OTHERS = ("setup.py", "setup.cfg", "DESCRIPTION", "Manifest.toml", "REQUIRE", "default.nix")
"""Files of programs that have rules of their own about encodings."""
ALL = (*PARSED, *SCRIPTS, *OTHERS)
RESOURCES = ".resources"

# Files that belong to a package or to git rather than to an environment, and are there without it.
_UNREMARKABLE = frozenset({"pyproject.toml", "setup.cfg", "Manifest.toml", "REQUIRE", *IGNORES})
DECISIVE = tuple(name for name in ALL if name not in _UNREMARKABLE)
"""Files whose being left out is worth a line."""

INSTEAD = {
    ".python-version": RUNTIME,
    "Containerfile": DOCKERFILE,
    "conda-lock.yml": "environment.yml",
    "pdm.lock": "requirements.txt",
    "pixi.lock": "environment.yml",
    "pixi.toml": "environment.yml",
    "poetry.lock": "requirements.txt",
    "pylock.toml": "requirements.txt",
    "renv.lock": "install.R",
    "uv.lock": "requirements.txt",
}
"""Maps files of other tools, which describe an environment, to the ones that are read."""

_ALIASES = {
    "post_build": "postBuild",
    "post-build": "postBuild",
    "env.yml": "environment.yml",
    "env.yaml": "environment.yml",
    "conda.yml": "environment.yml",
    "packages.txt": APT,
    "apt-packages.txt": APT,
    "resources": RESOURCES,
    ".resource": RESOURCES,
}
_EXTENSIONS = (".txt", ".sh", ".bash")
_CUTOFF = 0.9
_MAX_NAME_LENGTH = 40
_MAX_COMPARED = 2000


def files_in(folder: Path) -> list[str]:
    """Return the names of the files in a folder, sorted; none if there is no such folder."""
    try:
        return sorted(entry.name for entry in os.scandir(folder) if entry.is_file())
    except (FileNotFoundError, NotADirectoryError):
        return []


def escaping_build_file(repository: str | os.PathLike[str]) -> str:
    """Return the first file or folder for builds that lies outside of the repository, or "".

    Other links are the repository's own business: they are kept as they are, wherever they lead.
    """
    inside = os.path.realpath(repository)
    for folder in ("", *FOLDERS):
        for name in ("", *ALL):
            path = os.path.join(folder, name)
            real = os.path.realpath(os.path.join(inside, path))
            if real != inside and not real.startswith(f"{inside}/"):
                return path.rstrip("/")
    return ""


def near_misses(names: Iterable[str]) -> dict[str, str]:
    """Return name → the name that was probably meant, for files that no build reads.

    What is there under its proper name was not meant by another one.
    """
    there = set(names)
    others = sorted(there - {*ALL, RESOURCES})[:_MAX_COMPARED]
    found = {name: _meant(name) for name in others}
    return {name: meant for name, meant in found.items() if meant and meant not in there}


def _meant(name: str) -> str:
    if len(name) > _MAX_NAME_LENGTH:
        return ""
    wanted = {*DECISIVE, RESOURCES} - {REQUIREMENTS[1]}
    known = {each.casefold(): each for each in sorted(wanted)}
    folded = name.casefold()
    shorter = [folded.removesuffix(extension) for extension in _EXTENSIONS]
    for candidate in (folded, *shorter):
        if meant := known.get(candidate) or _ALIASES.get(candidate):
            return meant
    near = get_close_matches(folded, known, n=1, cutoff=_CUTOFF)
    return known[near[0]] if near else ""
