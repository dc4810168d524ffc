"""Counts what the kernel keeps for a sandbox's processes and is no memory of any of them.

Data that waits in sockets and pipes, files in memory that have lost their name, and shared
mappings, whose pages stay when the process that has filled them is gone. A cgroup counts all that
but what waits in sockets of netlink; `tree` asks here where there is none. A descriptor of another
process is looked at through a copy (pidfd_getfd), for which a keeper has the right: it owns the
user namespace of its sandbox.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import socket
import stat
import struct
import termios
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

SOCKET_BYTES = 425_984
"""The most that usually waits in a socket: twice the usual ``net.core.wmem_max``."""
_SYSCTLS = Path("/proc/sys/net")
_PIDFD_GETFD = 438
_SO_MEMINFO, _MEMINFO = 55, "9I"
_QUEUED = 11
"""Messages that a socket of datagrams keeps, whoever has sent them."""
_MOST_NUMBERS = 4096
_SHARED = re.compile(
    r"^([0-9a-f]+)-([0-9a-f]+) \S*s \S+ \S+ (\d+) +/dev/zero \(deleted\)$", re.MULTILINE
)

_libc = ctypes.CDLL(None, use_errno=True)
Sizes = dict[tuple[int, int], int]
"""Bytes by what names a thing, which several processes may have."""


def of_descriptors(process: int) -> Sizes:
    """Return what lies in the sockets, pipes and nameless files that the process has open."""
    sizes: Sizes = {}
    with suppress(OSError):
        watched = os.pidfd_open(process)
        try:
            for number in _numbers(process):
                with suppress(OSError), _copied(watched, number) as (copy, there):
                    sizes[there.st_dev, there.st_ino] = _size(copy, there)
                    if stat.S_ISSOCK(there.st_mode):
                        sizes[-there.st_dev, there.st_ino] = _travelling(process, number)
        finally:
            os.close(watched)
    return sizes


def of_mappings(process: int) -> Sizes:
    """Return the sizes of the nameless shared mappings that the process has."""
    sizes: Sizes = {}
    with suppress(OSError):
        for first, after, inode in _SHARED.findall(Path(f"/proc/{process}/maps").read_text()):
            key = (0, int(inode))
            sizes[key] = sizes.get(key, 0) + int(after, 16) - int(first, 16)
    return sizes


def of_machine() -> int:
    """Return what all shared memory of the machine takes: a sandbox has no more of it."""
    found = re.search(r"^Shmem: +(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def of_netlink(process: int) -> int:
    """Return what waits in all sockets of netlink of the network that the process is in."""
    try:
        lines = Path(f"/proc/{process}/net/netlink").read_text().splitlines()
    except OSError:
        return 0
    return sum(
        int(received) + int(sent) for received, sent in (each.split()[4:6] for each in lines[1:])
    )


def most_in_socket() -> int:
    """Return the most that this machine lets wait in one socket, both ways."""
    asked = sum(2 * _sysctl(f"core/{way}mem_max") for way in "rw")
    return max(SOCKET_BYTES, asked, sum(_sysctl(f"ipv4/tcp_{way}mem") for way in "rw"))


def _sysctl(name: str) -> int:
    """Return the last figure of a setting of the kernel's network, 0 where there is none."""
    try:
        return int((_SYSCTLS / name).read_text().split()[-1])
    except OSError:
        return 0


def _numbers(process: int) -> Iterator[int]:
    try:
        yield from map(int, os.listdir(f"/proc/{process}/fd"))
    except PermissionError:  # it has made itself hard to look at
        yield from range(_MOST_NUMBERS)


class _copied:  # noqa: N801  (used as a function)
    """A descriptor of another process, for as long as we look at it."""

    def __init__(self, process: int, number: int) -> None:
        self._copy = _libc.syscall(_PIDFD_GETFD, process, number, 0)
        if self._copy < 0:
            raise OSError(ctypes.get_errno(), "pidfd_getfd")

    def __enter__(self) -> tuple[int, os.stat_result]:
        return self._copy, os.fstat(self._copy)

    def __exit__(self, *_error: object) -> None:
        os.close(self._copy)


def _size(copy: int, there: os.stat_result) -> int:
    if stat.S_ISSOCK(there.st_mode):
        return _of_socket(copy)
    if stat.S_ISFIFO(there.st_mode):
        return fcntl.fcntl(copy, fcntl.F_GETPIPE_SZ) if _waiting(copy) else 0
    is_nameless = stat.S_ISREG(there.st_mode) and not there.st_nlink
    return there.st_blocks * 512 if is_nameless else 0


def _of_socket(copy: int) -> int:
    with socket.socket(fileno=os.dup(copy)) as asked:
        if asked.family == socket.AF_NETLINK:
            return 0  # `of_netlink` has it
        said = asked.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, struct.calcsize(_MEMINFO))
        received, _, sent, _, ahead, queued, _, backlog, _ = memoryview(said).cast("I")
        counted: int = received + max(sent, queued) + ahead + backlog
        if asked.family != socket.AF_UNIX or not (waiting := _waiting(copy)):
            return counted
        # Here only the sender is charged, and that may be gone.
        if asked.type == socket.SOCK_STREAM:
            return max(counted, waiting)
        return _QUEUED * SOCKET_BYTES // 2


def _waiting(copy: int) -> int:
    return int.from_bytes(fcntl.ioctl(copy, termios.FIONREAD, bytes(4)), "little")


def _travelling(process: int, number: int) -> int:
    """Return what descriptors may hold that wait in a socket until somebody takes them out."""
    text = Path(f"/proc/{process}/fdinfo/{number}").read_text()
    found = re.search(r"^scm_fds: *(\d+)", text, re.MULTILINE)
    return int(found[1]) * SOCKET_BYTES if found else 0
