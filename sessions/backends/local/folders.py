"""Where the local back end keeps things below the data folder, as pure functions.

toolbox/<hash>             what builds need, made once
cache/                     packages of every environment's base
environments/<image>       finished environments: env, home, result.json
projects/<name>            a project's files (home), and how they were left (record)
homes/<volume>             a person's volume (`User.volume`); .uids is the portal's own
set-aside/projects/<id>    what no row asked for; projects/.set-aside where that is another disk
*/.going/                  what is being removed, beside where it was
installation               the id of the installation to which all this belongs
run/build-<id>, server-<id>  one keeper each: job, status, log, lock, sockets (io), keys (ssh)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from sessions.errors import InternalError

BUILD = "build"
SERVER = "server"
ASIDE = ".set-aside"

_NAME = re.compile(r"(?![.-])[\w@.+-]{1,200}")


@dataclass(frozen=True)
class Folders:
    """All paths below ``root``. Raises `InternalError` for a name that could leave it."""

    root: Path

    @property
    def toolboxes(self) -> Path:
        return self.root / "toolbox"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def environments(self) -> Path:
        return self.root / "environments"

    @property
    def projects(self) -> Path:
        return self.root / "projects"

    @property
    def homes(self) -> Path:
        return self.root / "homes"

    @property
    def installation(self) -> Path:
        return self.root / "installation"

    @property
    def aside(self) -> Path:
        return self.root / "set-aside" / "projects"

    @property
    def aside_there(self) -> Path:
        """The same for projects on a disk of their own, to which nothing can be renamed."""
        return self.projects / ASIDE

    @property
    def run(self) -> Path:
        return self.root / "run"

    def all_with_strangers_files(self) -> tuple[Path, ...]:
        return (self.run, self.projects, self.environments, self.cache, self.aside,
                self.aside_there)  # fmt: skip

    def environment(self, image: str) -> Path:
        return self.environments / checked(image)

    def partial(self, image: str, build_id: int) -> Path:
        """Where a build grows; below no name that an image can have."""
        return self.environments / f".{checked(image)}.{build_id}.partial"

    def project(self, name: str) -> Path:
        return self.projects / checked(name)

    def volume(self, name: str) -> Path:
        return self.homes / checked(name)

    def keeper(self, kind: str, number: int) -> Path:
        return self.run / f"{kind}-{int(number)}"


def checked(name: str) -> str:
    """``name``, if it is safe as the name of a folder."""
    if not _NAME.fullmatch(name):
        raise InternalError("local.name", f"{name!r} cannot be the name of a folder")
    return name


def is_name(name: str) -> bool:
    """Return whether a folder can have been named by us: ``lost+found`` belongs to its disk."""
    return name != "lost+found" and _NAME.fullmatch(name) is not None


def parsed(folder: str) -> tuple[str, int] | None:
    """Kind and number of a keeper's folder, or None for any other name."""
    found = re.fullmatch(rf"({BUILD}|{SERVER})-(\d+)", folder)
    return (found[1], int(found[2])) if found else None
