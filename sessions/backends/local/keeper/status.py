"""The status of a keeper: one small file, always whole, written by it and read by the portal."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = "status.json"

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
    """Replace the status in ``folder`` by this one."""
    draft = folder / f".{FILE}"
    draft.write_text(json.dumps(asdict(status)))
    os.replace(draft, folder / FILE)


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
