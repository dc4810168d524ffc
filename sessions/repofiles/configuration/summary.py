"""Say what becomes of a repository's files, in lines for the log of its build.

Which files are used, which are not and why, and what could not be had when it was fetched.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path

from . import names
from .prepare import Prepared

HEADING = "── Files of the repository"
"""The first line of a `block` in a build's log; the next heading ends it."""
_SYSTEM = (names.APT, "postBuild", "start")
_PACKAGE = ("requirements.txt", "setup.py", "pyproject.toml")
_USED = {
    "DockerBuildPack": (names.DOCKERFILE,),
    "NixBuildPack": ("default.nix", names.APT, "postBuild"),
    "CondaBuildPack": (*names.ENVIRONMENT, *_SYSTEM),
    "PipfileBuildPack": ("Pipfile.lock", "Pipfile", *_SYSTEM),
    "PythonBuildPack": (names.RUNTIME, *_PACKAGE, *_SYSTEM),
    "RBuildPack": (
        names.RUNTIME, "install.R", "DESCRIPTION", *names.ENVIRONMENT, *_PACKAGE, *_SYSTEM
    ),
    "JuliaProjectTomlBuildPack": (
        "JuliaProject.toml", "Project.toml", "Manifest.toml", *names.ENVIRONMENT, *_PACKAGE,
        *_SYSTEM,
    ),
}  # fmt: skip
_NAMES = {
    "DockerBuildPack": "a Dockerfile",
    "NixBuildPack": "Nix",
    "CondaBuildPack": "conda",
    "PipfileBuildPack": "a Pipfile",
    "PythonBuildPack": "Python",
    "RBuildPack": "R",
    "JuliaProjectTomlBuildPack": "Julia",
}
_ROOT_ONLY = frozenset({"setup.py", "pyproject.toml", "DESCRIPTION"})
_REASONS = {
    ("CondaBuildPack", "requirements.txt"): "environment.yml is there; include it under pip:, as "
    "-r requirements.txt",
    ("CondaBuildPack", "setup.py"): "environment.yml is there; include it under pip:, as -e .",
    ("CondaBuildPack", names.RUNTIME): "environment.yml names the version of Python",
    ("PythonBuildPack", "install.R"): "R needs a runtime.txt, such as r-4.4-2025-03-01",
    ("CondaBuildPack", "install.R"): "R with it needs a runtime.txt, such as r-4.4-2025-03-01",
}
_MAX_LINES = 40
_MAX_NOTES = 20
_MAX_LENGTH = 1000
_MAX_BYTES = 1_000_000


def used(pack: str, prepared: Prepared, *, is_package: bool) -> list[str]:
    """Return the paths of the files that a build with repo2docker's class ``pack`` uses.

    ``is_package`` says whether the repository itself is installed.
    """
    folder, there = prepared.folder, set(names.files_in(Path(prepared.folder)))
    found = [name for name in _USED.get(pack, ()) if name in there]
    if folder or not is_package:
        found = [name for name in found if name not in {"setup.py", "pyproject.toml"}]
    if folder:
        found = [name for name in found if name not in _ROOT_ONLY]
    for first, second in (names.ENVIRONMENT, ("JuliaProject.toml", "Project.toml")):
        if first in found and second in found:
            found.remove(second)
    return [os.path.join(folder, name) for name in found]


def block(lines_of_files: list[str], notes: list[str]) -> list[str]:
    """Return the block for a build's log; empty if there is nothing to say.

    It has the `lines` about the files, and the notes of `gitclone` about what could not be had.
    """
    said = [*lines_of_files, *(f"Note: {note}" for note in _first(notes, _MAX_NOTES))]
    return [HEADING, *(_printable(line)[:_MAX_LENGTH] for line in said)] if said else []


def lines(pack: str, prepared: Prepared, taken: list[str]) -> list[str]:
    """Return the lines for the log: the build pack, and what becomes of each file.

    ``taken`` are the files that are `used`.
    """
    shown = ", ".join(taken) or "no file of the repository; the environment is a plain one"
    said = [
        f"Build pack: {_NAMES.get(pack, pack)}",
        f"Used: {shown}",
        *_unused(pack, prepared.folder, taken),
        *_oddities(pack, prepared.folder),
        *_foreign(pack, prepared.folder, taken),
        *(text for path, text in prepared.notes.items() if concerns(path, taken)),
        *(f"Note: {text}" for path, text in prepared.mistakes.items() if concerns(path, taken)),
    ]
    return [_printable(line) for line in _first(said, _MAX_LINES)]


def _first(said: list[str], most: int) -> list[str]:
    """Return the first lines, and how many more there are."""
    more = len(said) - most
    return [*said[:most], f"… and {more} more lines like these"] if more > 0 else said


def concerns(path: str, taken: list[str]) -> bool:
    """Return whether a file is one of those ``taken``, or one that they may include.

    What `prepare` took away because it says nothing would have been taken.
    """
    return path in taken or os.path.basename(path) not in names.ALL or not os.path.lexists(path)


def _unused(pack: str, folder: str, taken: list[str]) -> Iterator[str]:
    first = taken[0] if taken else "no other file"
    for name in names.files_in(Path(folder)):
        path = os.path.join(folder, name)
        if name in names.DECISIVE and path not in taken:
            reason = _REASONS.get((pack, name)) or _reason(pack, folder, name, first)
            yield f"Not used: {path}, because {reason}"
    if folder:
        for name in names.files_in(Path()):
            if name in names.DECISIVE:
                yield f"Not used: {name}, because the folder {folder} is there"


def _reason(pack: str, folder: str, name: str, first: str) -> str:
    if folder and name in _ROOT_ONLY:
        return f"it counts in the root only, and there only without a folder {folder}"
    if pack == "DockerBuildPack":
        return "the Dockerfile describes the whole environment"
    return f"{first} decides"


def _oddities(pack: str, folder: str) -> Iterator[str]:
    place = Path(folder)
    misses = {} if pack == "DockerBuildPack" else names.near_misses(names.files_in(place))
    in_root = names.near_misses(names.files_in(Path()))
    misses |= {name: meant for name, meant in in_root.items() if meant == names.RESOURCES}
    for name, meant in misses.items():
        path = name if meant == names.RESOURCES else place / name
        yield f"Not used: {path}. Did you mean {meant}?"
    for path in (place / name for name in names.ALL):
        if path.is_dir():
            yield f"Not used: {path}, because it is a folder and not a file"
        elif path.is_symlink() and not path.exists():
            yield f"Not used: {path}, because it is a link to something that is not there"
    for name in sorted(os.listdir(".")):
        if name in names.FOLDERS and Path(name).is_file():
            yield f"Not used: {name}, because it is a file and not a folder"
        elif name not in names.FOLDERS and name.casefold() in names.FOLDERS and Path(name).is_dir():
            yield f"Not used: the folder {name}. Did you mean {name.casefold()}?"


def _foreign(pack: str, folder: str, taken: list[str]) -> Iterator[str]:
    """Yield lines about files that other tools use, unless the one to use here is used."""
    if pack == "DockerBuildPack":
        return
    there, used_names = (
        set(names.files_in(Path(folder))),
        {os.path.basename(path) for path in taken},
    )
    for name, instead in names.INSTEAD.items():
        if name in there and instead not in used_names:
            yield f"Not used: {os.path.join(folder, name)}. Describe this in {instead}."
    is_left = not folder and "pyproject.toml" not in taken
    if is_left and (missing := _missing_table(Path("pyproject.toml"))):
        yield (
            f"Not used: pyproject.toml, because it has no [{missing}]. Add one, or list the "
            "packages in requirements.txt."
        )


def _missing_table(path: Path) -> str:
    """Return the table without which a project's pyproject.toml cannot be installed; or ""."""
    try:
        found = tomllib.loads(path.read_bytes()[:_MAX_BYTES].decode())
    except (OSError, ValueError, RecursionError):
        return ""
    tool = found.get("tool")
    is_project = "project" in found or (isinstance(tool, dict) and "poetry" in tool)
    missing = (name for name in ("build-system", "project") if name not in found)
    return next(missing, "") if is_project else ""


def _printable(line: str) -> str:
    """Return the line without what a terminal, or UTF-8, could not show."""
    return "".join(each if each.isprintable() else "\ufffd" for each in line)
