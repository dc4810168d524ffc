"""Which keeper is alive: each holds a lock on a file of its run folder for its whole life.

An open-file-description lock passes to the forked child, goes with the process however that
ends, and can be asked about without being taken: who looks disturbs nobody who starts.
"""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

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
