"""The status of a keeper: one small file, always whole, written by it and read by the portal."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = "status.json"
PAUSE = 0.5
"""Seconds until what a full disk did not take is written once more."""
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})

OUT_OF_SPACE = {
    "build": "The portal's disk is full, so the build was ended, and what it had made was removed. "
    "The staff are told; try again when they have made room.",
    "spawn": "The portal's disk is full, so the notebook could not start. Your files are there. "
    "The staff are told; try again when they have made room.",
}
"""The sentences of the codes build.out-of-space and spawn.out-of-space."""

RUNNING = "running"
READY = "ready"
ENDED = "ended"


@dataclass(frozen=True)
class Status:
    """``state`` is running, ready or ended; an ``ended`` one without ``code`` ended well.

    ``pid`` and ``started`` (the kernel's clock ticks) name the keeper's process for signals.
    """

    state: str = RUNNING
    code: str = ""
    message: str = ""
    pack: str = ""
    address: str = ""
    pid: int = 0
    started: int = 0


class Ended(Exception):
    """The work is over for a reason that has a code and a sentence for a person."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def write(folder: Path, status: Status) -> None:
    """Replace the status in ``folder`` by this one, whole also after a power cut."""
    draft = folder / f".{FILE}"
    with draft.open("w") as file:
        file.write(json.dumps(asdict(status)))
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, folder / FILE)


def written(folder: Path, status: Status) -> bool:
    """The same; False where there is no room, and then the old one stands."""
    try:
        write(folder, status)
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        return False
    return True


def read(folder: Path) -> Status:
    """The status in ``folder``; of a keeper that has not written one yet it is ``running``."""
    try:
        return Status(**json.loads((folder / FILE).read_text()))
    except FileNotFoundError:
        return Status()


def started(pid: int) -> int:
    """When the process began, in clock ticks since boot; 0 where there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(text.rpartition(")")[2].split()[19])
