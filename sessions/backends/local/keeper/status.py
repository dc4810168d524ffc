"""Keep the lock and the status file by which a keeper is known.

A living keeper holds a lock on a file of its run folder, in which it writes who it is. An
open-file-description lock passes to the forked child, is released however the process ends, and can
be queried without being taken: a reader never disturbs a start. The status is one small file,
always whole, written by the keeper and read by the portal; a keeper can be told to end whatever has
become of that file.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import struct
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from . import files
from .files import write_atomically

LOCK = "lock"
_NO_LOCK_ERRNOS = {errno.ENOENT, errno.EISDIR, errno.ELOOP, errno.ENXIO}
"""Errors for a lock that is missing, or in whose place there is something else."""
_WHOLE_FILE = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)


def acquire_lock(path: Path) -> int | None:
    """Take the lock; return its descriptor, or None if another process has it. Raises `OSError`."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _WHOLE_FILE)
    except (BlockingIOError, PermissionError):
        os.close(descriptor)
        return None
    return descriptor


def is_locked(path: Path) -> bool:
    """Return whether a living process holds the lock."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno in _NO_LOCK_ERRNOS:
            return False
        raise
    try:
        answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _WHOLE_FILE)
    finally:
        os.close(descriptor)
    kind: int = struct.unpack("hhqqi", answer)[0]
    return kind != fcntl.F_UNLCK


def write_holder(lock: int) -> None:
    """Write into the locked file which process holds it: its pid and when it began."""
    pid = os.getpid()
    with suppress(OSError):  # a full disk: the status file has it, too
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{pid} {process_start_time(pid)}".encode(), 0)


def read_holder(folder: Path) -> tuple[int, int]:
    """Return the pid of the keeper in ``folder`` and when it began, as in `process_start_time`.

    Keepers of earlier versions have written them to their status alone. The pid is 0 if neither
    file has it.
    """
    with suppress(FileNotFoundError, ValueError):
        pid, started = map(int, files.read_own(folder / LOCK).split())
        return pid, started
    found = read(folder)
    return found.pid, found.started


FILE = "status.json"
RETRY_SECONDS = 0.5
"""Seconds before retrying a write that the disk refused."""

RUNNING = "running"
READY = "ready"
ENDED = "ended"


@dataclass(frozen=True)
class Status:
    """The status of a keeper.

    ``state`` is running, ready or ended; an ``ended`` one without ``code`` ended well. ``pid`` and
    ``started`` (the kernel's clock ticks) identify the keeper's process for signals.
    ``files`` is the report of the merge into the project's files (`sessions.repofiles.merge`), and
    ``end`` what is known about a notebook's end: fields of `sessions.backends.endings.ServerEnd`.
    """

    state: str = RUNNING
    code: str = ""
    message: str = ""
    pack: str = ""
    address: str = ""
    pid: int = 0
    started: int = 0
    files: dict[str, Any] = field(default_factory=dict)
    end: dict[str, Any] = field(default_factory=dict)


class JobFailed(Exception):
    """The work is over for a reason that has a code and a sentence for a person.

    ``end`` has the facts from which the portal makes a better sentence, if there are any.
    """

    def __init__(self, code: str, message: str, end: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.end = end or {}

    @classmethod
    def from_disk(cls, kind: str, why: str) -> JobFailed:
        """Return the end of a ``build`` or a ``spawn`` (``kind``) that a disk has caused.

        ``why`` is a reason of `files`, such as `files.FULL`.
        """
        return cls(f"{kind}.{why}", files.failure_message(kind, why))


def write(folder: Path, status: Status) -> None:
    """Replace the status in ``folder`` by this one, atomically even on a power cut.

    Raises `OSError`: then the old status stays.
    """
    write_atomically(folder / FILE, json.dumps(asdict(status)))


def try_write(folder: Path, status: Status) -> bool:
    """Write the status; return False if the disk does not accept it now: then the old one stays.

    Raises `OSError` for an error that is not the disk's.
    """
    try:
        write(folder, status)
    except OSError as error:
        if error.errno not in files.RETRYABLE_ERRNOS:
            raise
        return False
    return True


def read(folder: Path) -> Status:
    """Return the status in ``folder``.

    It is ``running`` if a keeper has not written one yet, or if a power cut has left nothing
    legible. Unknown fields of a keeper of another version are ignored.
    """
    try:
        said = json.loads(files.read_own(folder / FILE))
    except (FileNotFoundError, ValueError, RecursionError):
        return Status()
    if not isinstance(said, dict):
        return Status()
    known = {each.name: type(getattr(Status(), each.name)) for each in fields(Status)}
    given = {name: value for name, value in said.items() if name in known}
    legible = all(type(value) is known[name] for name, value in given.items())
    return Status(**given) if legible else Status()


def process_start_time(pid: int) -> int:
    """Return when the process began, in clock ticks since boot; 0 if there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return int(text.rpartition(")")[2].split()[19])
