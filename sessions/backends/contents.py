"""Describe what a back end has, keeps, lacks and reports, as data; see `sessions.backends.Backend`.

The texts of reports are made storable here, because they may come from where strangers' code runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from portal.lib.text import readable, storable
from sessions.states import Phase

_COLUMNS = {
    "code": 64,
    "buildpack": 64,
    "digest": 255,
    "address": 255,
    "node": 255,
    "position": 255,
}
"""Lengths of the columns that reports are stored in."""
_MAX_SIZE = 2**63
"""The first number of bytes that no column holds."""


def _clean(report: object, *names: str) -> None:
    """Make these texts of a report storable; they may come from where strangers' code runs."""
    for name in names:
        text = getattr(report, name)
        cleaned = readable(text) if name == "message" else storable(text, _COLUMNS.get(name))
        if cleaned is not text:
            object.__setattr__(report, name, cleaned)


@dataclass(frozen=True)
class BuildReport:
    """The status of a build.

    ``finished`` with an empty ``code`` means that the image exists. While the build is unfinished,
    ``code`` and ``message`` say what it waits for before it can begin. ``digest`` identifies the
    exact image where the back end has digests; ``resources`` is the text of the repository's
    ``.resources``, if the build has read it. ``has_installation_id`` is whether it carries the
    installation's id (see `Backend.installation`).
    """

    id: int
    finished: bool = False
    code: str = ""
    message: str = ""
    buildpack: str = ""
    digest: str = ""
    resources: str = ""
    has_installation_id: bool = field(default=True, compare=False)

    def __post_init__(self) -> None:
        _clean(self, "code", "message", "buildpack", "digest", "resources")


@dataclass(frozen=True)
class FilesReport:
    """The result of setting up a project's files at a start.

    ``message`` is a message for the owner, "" if there is nothing to say; ``is_repeated`` means
    that the same message may have been given at an earlier start. ``size`` is the bytes that the
    files take, None if unknown. ``has_content`` is whether the files of a second repository are
    there.
    """

    message: str = ""
    size: int | None = None
    is_repeated: bool = False
    has_content: bool = False

    def __post_init__(self) -> None:
        _clean(self, "message")
        if type(self.size) is not int or not 0 <= self.size < _MAX_SIZE:
            object.__setattr__(self, "size", None)


@dataclass(frozen=True)
class ServerReport:
    """The status of a notebook: ``starting``, ``ready`` (answers at ``address``) or ``gone``.

    ``address`` is ``unix:/path`` or ``http://host:port``. ``code`` and ``message`` say why it is
    gone (``code`` is empty if it was told to stop), or what it waits for while it is starting.
    ``node`` is the machine that runs it, if known. ``files`` is None where the back end reports
    nothing about files. ``uid`` tells it from another of the same name, "" where there can be none.
    ``has_installation_id`` as in `BuildReport`.
    """

    id: int
    name: str
    state: str
    address: str = ""
    code: str = ""
    message: str = ""
    node: str = ""
    files: FilesReport | None = None
    uid: str = ""
    has_installation_id: bool = field(default=True, compare=False)

    def __post_init__(self) -> None:
        _clean(self, "name", "address", "code", "message", "node", "uid")


@dataclass(frozen=True)
class LogLines:
    """Whole lines of a build's output after a position, all of one ``phase``.

    ``position`` is opaque: pass it to the next call. No lines means that there are no more at
    present.
    """

    phase: str
    text: str
    position: str

    def __post_init__(self) -> None:
        _clean(self, "text", "position")
        if self.phase not in Phase.values:
            object.__setattr__(self, "phase", Phase.BUILDING.value)


@dataclass(frozen=True)
class Capacity:
    """Total resources of all machines for notebooks and builds.

    CPUs, memory in GB (10⁹ bytes) and GPUs; ``disk_gb`` and ``disk_free_gb`` describe the disk that
    holds environments and people's files. None where a value is unknown. ``machines`` are the
    different kinds of machines that one notebook has to fit on, as CPUs, memory and GPUs.
    """

    cpu: float | None = None
    memory_gb: float | None = None
    gpu: float | None = None
    disk_gb: float | None = None
    disk_free_gb: float | None = None
    machines: tuple[tuple[float, float, float], ...] | None = None


@dataclass(frozen=True)
class Image:
    """A finished image that is kept; ``size`` in bytes, None if unknown."""

    name: str
    size: int | None = None


@dataclass(frozen=True)
class ProjectSize:
    """The bytes that a project's kept files take, None if nobody can say."""

    size: int | None


@dataclass(frozen=True)
class Inventory:
    """All that a back end keeps: names of projects and volumes, numbers of notebooks and builds."""

    projects: frozenset[str] = frozenset()
    volumes: frozenset[str] = frozenset()
    sessions: frozenset[int] = frozenset()
    builds: frozenset[int] = frozenset()


@dataclass(frozen=True)
class SetAsideItem:
    """Something without a row that was set aside as ``id``; its name was ``name``."""

    id: str
    name: str


@dataclass(frozen=True)
class Problem:
    """A reason why the back end cannot do its work, for staff; ``hint`` says how to fix it."""

    id: str
    message: str
    hint: str
