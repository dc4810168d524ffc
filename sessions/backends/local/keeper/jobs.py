"""The job of a keeper: one JSON file in its run folder, written by `keeper_processes`.

A `Key`, which must not be in any file, comes by standard input. Sizes are bytes, times seconds.
Paths are those of the machine, not of the sandbox.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from .files import read_own, write_atomically

FILE = "job.json"


@dataclass(frozen=True)
class Bounds:
    """Limits for all processes of one sandbox together; 0 means no limit."""

    memory: int
    processes: int
    disk: int = 0
    seconds: int = 0
    log: int = 10_000_000


@dataclass(frozen=True)
class Site:
    """Settings of the site for every sandbox.

    ``toolbox`` is its folder; ``environment`` holds variables (certificates, package indexes) and
    ``files`` the files that those name, found at the same path in the sandbox.
    """

    toolbox: str
    environment: dict[str, str] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Key:
    """A person's SSH key, used only to fetch their private repository."""

    private: str = field(repr=False)
    known_hosts: str


@dataclass(frozen=True)
class BuildJob:
    """A repository at a commit, to be built into the folder ``environment``.

    ``pythons`` maps versions (3.11) to interpreters, the preferred one first. ``fetch_trusted`` and
    ``trusted`` are hosts that may be reached despite their address: by git, and by everything after
    it; ``closed`` and, for git alone, ``fetch_front`` are those of
    `sessions.egress.addresses.EgressRules`. ``private`` means that the result is for one person
    only. Without an ``environment``, only the base of the preferred Python is made, and what waits
    for it in the folder ``environments`` is compiled.
    """

    url: str
    commit: str
    ref: str
    environment: str
    partial: str
    cache: str
    pythons: dict[str, str]
    repository_limit: int
    bounds: Bounds
    site: Site
    fetch_trusted: list[str]
    trusted: list[str]
    private: bool = False
    closed: list[int] = field(default_factory=list)
    fetch_front: str = ""
    archive: str = ""
    archive_hosts: dict[str, str] = field(default_factory=dict)
    environments: str = ""


def base_folder(job: BuildJob, version: str) -> Path:
    """Return the folder of the environment's part that is the same for everybody."""
    packages = Path(job.site.toolbox, "share/notebook.txt").read_text()
    digest = hashlib.sha256(f"{job.pythons[version]}\0{packages}".encode()).hexdigest()[:16]
    return Path(job.cache) / f"base-{version}-{digest}"


@dataclass(frozen=True)
class Content:
    """A second repository, whose files go to the ``folder`` of a notebook's home.

    ``fetch`` clones it; the person's own key opens a private one. With ``unless_puller``, it is
    left out where the environment has nbgitpuller.
    """

    fetch: BuildJob
    folder: str
    unless_puller: bool = False


@dataclass(frozen=True)
class ServerJob:
    """A notebook: ``environment`` is a built folder, ``project`` keeps the repository's copy.

    ``volume`` is the person's own folder, shown under their name ``owner`` and linked from the
    ``former`` ones. ``author`` and ``email`` are for their commits. ``safe_mode`` is the reason for
    a start in safe mode, "" for an ordinary one; ``keeps_start`` is whether the start script runs
    even so, as it was built: such a start decides about the build.
    """

    name: str
    owner: str
    environment: str
    project: str
    volume: str
    commit: str
    url: str
    token: str = field(repr=False)
    cpus: float
    bounds: Bounds
    site: Site
    trusted: list[str]
    start_seconds: int = 600
    former: list[str] = field(default_factory=list)
    author: str = ""
    email: str = ""
    closed: list[int] = field(default_factory=list)
    safe_mode: str = ""
    keeps_start: bool = False
    content: Content | None = None

    @property
    def runs_start(self) -> bool:
        """Return whether the repository's start script runs, if there is one."""
        return not self.safe_mode or self.keeps_start


def write(folder: Path, job: BuildJob | ServerJob, owner: int | None = None) -> None:
    """Store the job in ``folder``, readable by its owner only, atomically even on a power cut."""
    kind = "build" if isinstance(job, BuildJob) else "server"
    write_atomically(folder / FILE, json.dumps({"kind": kind, **asdict(job)}), 0o600, owner)


def read(folder: Path) -> BuildJob | ServerJob:
    """Return the job in ``folder``; unknown fields of another version's portal are ignored.

    While an installation is upgraded or rolled back, a fork server of one version may start keepers
    for a worker of another. Raises `OSError`, and `ValueError`, `KeyError` or `TypeError` for an
    illegible file.
    """
    given: dict[str, Any] = json.loads(read_own(folder / FILE))
    if given["kind"] == "build":
        return BuildJob(**_parts(BuildJob, given))
    if content := given.get("content"):
        fetch = BuildJob(**_parts(BuildJob, content["fetch"]))
        given["content"] = Content(**{**_known(Content, content), "fetch": fetch})
    return ServerJob(**_parts(ServerJob, given))


def _parts(kind: type[BuildJob | ServerJob], given: dict[str, Any]) -> dict[str, Any]:
    given["bounds"] = Bounds(**_known(Bounds, given["bounds"]))
    given["site"] = Site(**_known(Site, given["site"]))
    return _known(kind, given)


def _known(
    kind: type[Bounds | Site | BuildJob | ServerJob | Content], given: dict[str, Any]
) -> dict[str, Any]:
    names = {each.name for each in fields(kind)}
    return {name: value for name, value in given.items() if name in names}


def dump_key(key: Key | None) -> str:
    """Return the key as text for a keeper's standard input; `load_key` parses it."""
    return json.dumps(asdict(key)) if key else ""


def load_key(text: str) -> Key | None:
    """Return the key that `dump_key` has made into text, None for ""."""
    return Key(**json.loads(text)) if text else None
