"""What a back end has, keeps and lacks, as data; see `sessions.backends.Backend`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Capacity:
    """Total resources of all machines for notebooks and builds.

    CPUs, memory in GB (10⁹ bytes) and GPUs; ``disk_gb`` and ``disk_free_gb`` describe the disk that
    holds environments and people's files. None where a value is unknown.
    """

    cpu: float | None = None
    memory_gb: float | None = None
    gpu: float | None = None
    disk_gb: float | None = None
    disk_free_gb: float | None = None


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
