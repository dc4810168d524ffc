"""The lock and the status file by which a keeper is known.

Which keeper is alive: each holds a lock on a file of its run folder for its whole life.

An open-file-description lock passes to the forked child, goes with the process however that
ends, and can be asked about without being taken: who looks disturbs nobody who starts.

The status of a keeper: one small file, always whole, written by it and read by the portal.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from . import disks
from .files import put

_WHOLE_FILE = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)


def take(path: Path) -> int | None:
    """The descriptor that holds the lock from now on, or None where another process has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _WHOLE_FILE)
    except (BlockingIOError, PermissionError):
        os.close(descriptor)
        return None
    return descriptor


def held(path: Path) -> bool:
    """Whether a living process holds the lock."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _WHOLE_FILE)
    finally:
        os.close(descriptor)
    kind: int = struct.unpack("hhqqi", answer)[0]
    return kind != fcntl.F_UNLCK


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
