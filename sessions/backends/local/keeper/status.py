"""The status of a keeper: one small file, always whole, written by it and read by the portal."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from . import disks
from .files import put

FILE = "status.json"
PAUSE = 0.5
"""Seconds until what a disk did not take is written once more."""

RUNNING = "running"
READY = "ready"
ENDED = "ended"


@dataclass(frozen=True)
class Status:
    """``state`` is running, ready or ended; an ``ended`` one without ``code`` ended well.

    ``pid`` and ``started`` (the kernel's clock ticks) name the keeper's process for signals.
    ``files`` is the report of the merge into the project's files (`sessions.repofiles.merge`).
    """

    state: str = RUNNING
    code: str = ""
    message: str = ""
    pack: str = ""
    address: str = ""
    pid: int = 0
    started: int = 0
    files: dict[str, Any] = field(default_factory=dict)


class Ended(Exception):
    """The work is over for a reason that has a code and a sentence for a person."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    @classmethod
    def by_disk(cls, kind: str, why: str) -> Ended:
        """Return the end of a ``build`` or a ``spawn`` that a disk has brought about."""
        return cls(f"{kind}.{why}", disks.sentence(kind, why))


def write(folder: Path, status: Status) -> None:
    """Replace the status in ``folder`` by this one, whole also after a power cut."""
    put(folder / FILE, json.dumps(asdict(status)))


def written(folder: Path, status: Status) -> bool:
    """Put it there; False where the disk does not take it now, and then the old one stands."""
    try:
        write(folder, status)
    except OSError as error:
        if error.errno not in disks.NOT_NOW:
            raise
        return False
    return True


def read(folder: Path) -> Status:
    """The status in ``folder``; of a keeper that has not written one yet, or of which a power cut
    has left nothing legible, it is ``running``. What a keeper of another version says besides is
    passed over."""
    try:
        said = json.loads((folder / FILE).read_text())
    except (FileNotFoundError, ValueError):
        return Status()
    if not isinstance(said, dict):
        return Status()
    known = {each.name for each in fields(Status)}
    return Status(**{name: value for name, value in said.items() if name in known})


def started(pid: int) -> int:
    """When the process began, in clock ticks since boot; 0 where there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(text.rpartition(")")[2].split()[19])
