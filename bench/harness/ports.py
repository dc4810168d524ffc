"""Reserve free ports, for servers that need to know theirs before they listen.

They are below the system's range for outgoing connections, and each is held by a lock: no other
process that asks here gets it, even while nobody listens there.
"""

from __future__ import annotations

import fcntl
import os
import random
import socket
import tempfile
from pathlib import Path

LOCKS = Path(tempfile.gettempdir(), "bindery-ports")
FIRST, LAST = 15_000, 32_000

_held: list[int] = []
"""Descriptors of locks, which end with this process."""


def free_port(address: str = "127.0.0.1") -> int:
    """Return a port on which nobody listens; it is this process's until its end.

    Raises `OSError` if the address is not one of this machine, or if no port is free.
    """
    with socket.create_server((address, 0)):
        pass
    LOCKS.mkdir(mode=0o777, exist_ok=True)
    for port in random.sample(range(FIRST, LAST), LAST - FIRST):
        if _lock(port) and _is_free(address, port):
            return port
    raise OSError(f"no port of {address} between {FIRST} and {LAST} is free")


def free_ports(number: int) -> list[int]:
    """Return this many different ports of loopback."""
    return [free_port() for _ in range(number)]


def _lock(port: int) -> bool:
    try:
        lock = os.open(LOCKS / f"{port}-{os.geteuid()}", os.O_CREAT | os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return False
    _held.append(lock)
    return True


def _is_free(address: str, port: int) -> bool:
    try:
        with socket.create_server((address, port)):
            return True
    except OSError:
        return False
