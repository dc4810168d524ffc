"""Where the local back end keeps things below the data folder, as pure functions.

toolbox/<hash>             tools that builds need, made once
cache/                     packages of every environment's base
environments/<image>       finished environments: env, home, result.json
projects/<name>            a project's files (home), and how they were left (record)
homes/<volume>             a person's volume (`User.volume`); .uids is the portal's own
set-aside/projects/<id>    what no row asked for; projects/.set-aside if on another disk
*/.going/                  what is being removed, beside where it was
installation               the id of the installation to which all this belongs
run/build-<id>, server-<id>  one keeper each: job, status, log, lock, sockets (io), keys (ssh)
run/base                   the keeper that makes the base ahead of the first build, and compiles
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sessions.errors import InternalError

BUILD = "build"
SERVER = "server"
SET_ASIDE = ".set-aside"

_NAME = re.compile(r"(?![.-])[\w@.+-]{1,200}")


@dataclass(frozen=True)
class Folders:
    """All paths below ``root``. Raises `InternalError` for a name that could leave it."""

    root: Path

    @property
    def toolboxes(self) -> Path:
        """Return the folder of the build tools, one folder for each version."""
        return self.root / "toolbox"

    @property
    def cache(self) -> Path:
        """Return the folder of downloads that builds share."""
        return self.root / "cache"

    @property
    def environments(self) -> Path:
        """Return the folder of built environments, one folder for each image."""
        return self.root / "environments"

    @property
    def projects(self) -> Path:
        """Return the folder of projects' own files, one folder for each project."""
        return self.root / "projects"

    @property
    def homes(self) -> Path:
        """Return the folder of people's volumes, one folder for each person."""
        return self.root / "homes"

    @property
    def installation(self) -> Path:
        """Return the path of the file with the installation id."""
        return self.root / "installation"

    @property
    def set_aside(self) -> Path:
        """Return the folder of projects' folders that are set aside."""
        return self.root / "set-aside" / "projects"

    @property
    def set_aside_beside_projects(self) -> Path:
        """Return the same for projects on a disk of their own: a rename cannot leave it."""
        return self.projects / SET_ASIDE

    @property
    def run(self) -> Path:
        """Return the folder of keepers, one folder for each build and each session."""
        return self.root / "run"

    @property
    def base_keeper(self) -> Path:
        """Return the run folder of the keeper that makes the base, and compiles packages."""
        return self.run / "base"

    def all_untrusted(self) -> tuple[Path, ...]:
        """Return the folders that may contain files made by untrusted code."""
        return (self.run, self.projects, self.environments, self.cache, self.set_aside,
                self.set_aside_beside_projects)  # fmt: skip

    def environment(self, image: str) -> Path:
        """Return the folder of an image's environment."""
        return self.environments / validate_name(image)

    def partial(self, image: str, build_id: int) -> Path:
        """Return the folder in which a build works; no image can have its name."""
        return self.environments / f".{validate_name(image)}.{build_id}.partial"

    def project(self, name: str) -> Path:
        """Return a project's folder."""
        return self.projects / validate_name(name)

    def volume(self, name: str) -> Path:
        """Return the folder of a person's volume."""
        return self.homes / validate_name(name)

    def keeper(self, kind: str, number: int) -> Path:
        """Return the run folder of a build or notebook."""
        return self.run / f"{kind}-{int(number)}"


def validate_name(name: str) -> str:
    """Return ``name`` if it is safe as the name of a folder. Raises `InternalError`."""
    if not _NAME.fullmatch(name):
        raise InternalError("local.name", f"{name!r} cannot be the name of a folder")
    return name


def is_valid_name(name: str) -> bool:
    """Return whether the portal can have named this folder: ``lost+found`` belongs to its disk."""
    return name != "lost+found" and _NAME.fullmatch(name) is not None


def parse_run_folder(folder: str) -> tuple[str, int] | None:
    """Return kind and number of a keeper's folder, or None for any other name."""
    found = re.fullmatch(rf"({BUILD}|{SERVER})-([0-9]{{1,18}})", folder)
    return (found[1], int(found[2])) if found else None
