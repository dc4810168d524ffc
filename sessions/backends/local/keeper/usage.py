"""Count the memory that a sandbox's processes use together, where no cgroup does.

Mapped memory is read from the processes. Files in in-memory folders (/tmp, /dev/shm) belong to no
process, but can be seen through any of them. Also counted is what the kernel keeps without its
being any process's memory: data waiting in sockets and pipes, files in memory that have lost their
name, and shared mappings, whose pages stay when the process that filled them is gone.

A cgroup counts all of that except data waiting in netlink sockets. A descriptor of another process
is examined through a copy (pidfd_getfd), for which a keeper has the right: it owns the user
namespace of its sandbox.
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
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from .privileges import BYTES_OF_INODE

_PAGE = os.sysconf("SC_PAGE_SIZE")


def process_tree(root: int) -> list[int]:
    """Return the pids of the process ``root`` and of all its descendants."""
    found = [root]
    for process in found:  # grows while it is iterated
        found.extend(children(process))
    return found


def memory_usage(root: int, mounts: Sequence[str], threshold: int) -> int:
    """Return the bytes used by the sandbox that the process ``root`` started.

    ``mounts`` are its in-memory folders. Below ``threshold`` the answer may be too high: telling
    apart shared pages and measuring sockets is expensive, so it is done only when it matters.
    """
    processes = process_tree(root)
    files = _memory_file_bytes(processes, mounts)
    netlink = sandbox_netlink_bytes(root, processes)
    rough = sum(_resident_bytes(process) for process in processes) + files + netlink
    most = rough + machine_shared_memory() + count_open_files(root, processes) * max_socket_bytes()
    return rough if most <= threshold else _exact_memory(processes, files) + netlink


def sandbox_netlink_bytes(root: int, processes: Sequence[int] = ()) -> int:
    """Return the bytes waiting in the sandbox's netlink sockets, which no cgroup counts."""
    inside = [*(processes or process_tree(root))][
        1:2
    ]  # bubblewrap itself is in the machine's network namespace
    return sum(namespace_netlink_bytes(process) for process in inside)


def count_open_files(root: int, processes: Sequence[int] = ()) -> int:
    """Return how many descriptors the processes have; shared ones count once per process.

    These are ``processes``, or all below the process ``root``, and it itself.
    """
    return sum(_count_descriptors(process) for process in processes or process_tree(root))


def _exact_memory(processes: list[int], files: int) -> int:
    private = shared = 0
    held: Sizes = {}
    mapped: Sizes = {}
    for process in processes:
        sizes = _read_smaps_rollup(process)
        if not sizes:  # it hides itself from us: use its rough size
            private += _resident_bytes(process)
        private += sizes.get("Pss", 0) - sizes.get("Pss_Shmem", 0)
        shared += sizes.get("Pss_Shmem", 0)
        held |= descriptor_sizes(process)
        for key, size in shared_mapping_sizes(process).items():
            mapped[key] = max(size, mapped.get(key, 0))
    return private + sum(held.values()) + max(shared, files + sum(mapped.values()))


def children(process: int) -> Iterator[int]:
    """Yield the pids of a process's running children; none if it is gone."""
    try:
        threads = os.listdir(f"/proc/{process}/task")
    except OSError:
        return
    for thread in threads:
        yield from map(int, _read_text(f"/proc/{process}/task/{thread}/children").split())


def _resident_bytes(process: int) -> int:
    fields = _read_text(f"/proc/{process}/statm").split()
    return int(fields[1]) * _PAGE if fields else 0


def _read_smaps_rollup(process: int) -> dict[str, int]:
    lines = _read_text(f"/proc/{process}/smaps_rollup").splitlines()[1:]
    fields = [line.split() for line in lines]
    return {field[0].rstrip(":"): int(field[1]) * 1024 for field in fields}


def _memory_file_bytes(processes: list[int], mounts: Sequence[str]) -> int:
    """Return all bytes in the sandbox's in-memory file systems, including inodes."""
    # the first two, bubblewrap outside and the first process inside, cannot be inspected
    return max((_mount_bytes(process, mounts) for process in processes[2:]), default=0)


def _mount_bytes(process: int, mounts: Sequence[str]) -> int:
    used = 0
    for path in mounts:
        try:
            there = os.statvfs(f"/proc/{process}/root{path}")
        except OSError:
            continue
        used += (there.f_blocks - there.f_bfree) * there.f_frsize
        used += (there.f_files - there.f_ffree) * BYTES_OF_INODE
    return used


def _count_descriptors(process: int) -> int:
    folder = f"/proc/{process}/fd"
    try:
        return os.stat(folder).st_size or len(os.listdir(folder))  # the size, since Linux 6.2
    except OSError:
        return 0


def _read_text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


USUAL_SOCKET_BYTES = 425_984
"""The most data that usually waits in a socket: twice the usual ``net.core.wmem_max``."""
_SYSCTLS = Path("/proc/sys/net")
_PIDFD_GETFD = 438
_SO_MEMINFO, _MEMINFO = 55, "9I"
_MAX_QUEUED_MESSAGES = 11
"""Messages that a datagram socket queues, from all senders together."""
_MAX_DESCRIPTORS = 4096
_SHARED_MAPPING = re.compile(
    r"^([0-9a-f]+)-([0-9a-f]+) \S*s \S+ \S+ (\d+) +/dev/zero \(deleted\)$", re.MULTILINE
)

_libc = ctypes.CDLL(None, use_errno=True)
Sizes = dict[tuple[int, int], int]
"""Bytes, keyed by the id of something that several processes may share."""


def descriptor_sizes(process: int) -> Sizes:
    """Return the bytes in the sockets, pipes and nameless files that the process has open."""
    sizes: Sizes = {}
    with suppress(OSError):
        watched = os.pidfd_open(process)
        try:
            for number in _descriptor_numbers(process):
                with suppress(OSError), _copied_descriptor(watched, number) as (copy, there):
                    sizes[there.st_dev, there.st_ino] = _descriptor_size(copy, there)
                    if stat.S_ISSOCK(there.st_mode):
                        sizes[-there.st_dev, there.st_ino] = _in_flight_bytes(process, number)
        finally:
            os.close(watched)
    return sizes


def shared_mapping_sizes(process: int) -> Sizes:
    """Return the sizes of the process's nameless shared mappings."""
    sizes: Sizes = {}
    with suppress(OSError):
        for first, after, inode in _SHARED_MAPPING.findall(
            Path(f"/proc/{process}/maps").read_text()
        ):
            key = (0, int(inode))
            sizes[key] = sizes.get(key, 0) + int(after, 16) - int(first, 16)
    return sizes


def machine_shared_memory() -> int:
    """Return the bytes of all shared memory of the machine: a sandbox cannot have more."""
    found = re.search(r"^Shmem: +(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


def namespace_netlink_bytes(process: int) -> int:
    """Return the bytes waiting in all netlink sockets of the process's network namespace."""
    try:
        lines = Path(f"/proc/{process}/net/netlink").read_text().splitlines()
    except OSError:
        return 0
    return sum(
        int(received) + int(sent) for received, sent in (each.split()[4:6] for each in lines[1:])
    )


def max_socket_bytes() -> int:
    """Return the most bytes that this machine lets wait in one socket, both ways."""
    configured = sum(2 * _sysctl(f"core/{way}mem_max") for way in "rw")
    return max(USUAL_SOCKET_BYTES, configured, sum(_sysctl(f"ipv4/tcp_{way}mem") for way in "rw"))


def _sysctl(name: str) -> int:
    """Return the last figure of a setting of the kernel's network, 0 where there is none."""
    try:
        return int((_SYSCTLS / name).read_text().split()[-1])
    except OSError:
        return 0


def _descriptor_numbers(process: int) -> Iterator[int]:
    try:
        yield from map(int, os.listdir(f"/proc/{process}/fd"))
    except PermissionError:  # it has made itself unreadable to us
        yield from range(_MAX_DESCRIPTORS)


class _copied_descriptor:  # noqa: N801  (used as a function)
    """A descriptor of another process, copied while it is examined."""

    def __init__(self, process: int, number: int) -> None:
        self._copy = _libc.syscall(_PIDFD_GETFD, process, number, 0)
        if self._copy < 0:
            raise OSError(ctypes.get_errno(), "pidfd_getfd")

    def __enter__(self) -> tuple[int, os.stat_result]:
        return self._copy, os.fstat(self._copy)

    def __exit__(self, *_error: object) -> None:
        os.close(self._copy)


def _descriptor_size(copy: int, there: os.stat_result) -> int:
    if stat.S_ISSOCK(there.st_mode):
        return _socket_size(copy)
    if stat.S_ISFIFO(there.st_mode):
        return fcntl.fcntl(copy, fcntl.F_GETPIPE_SZ) if _unread_bytes(copy) else 0
    is_nameless = stat.S_ISREG(there.st_mode) and not there.st_nlink
    return there.st_blocks * 512 if is_nameless else 0


def _socket_size(copy: int) -> int:
    with socket.socket(fileno=os.dup(copy)) as duplicate:
        if duplicate.family == socket.AF_NETLINK:
            return 0  # `namespace_netlink_bytes` has it
        said = duplicate.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, struct.calcsize(_MEMINFO))
        received, _, sent, _, ahead, queued, _, backlog, _ = memoryview(said).cast("I")
        counted: int = received + max(sent, queued) + ahead + backlog
        if duplicate.family != socket.AF_UNIX or not (waiting := _unread_bytes(copy)):
            return counted
        # Only the sender is charged here, and it may be gone.
        if duplicate.type == socket.SOCK_STREAM:
            return max(counted, waiting)
        return _MAX_QUEUED_MESSAGES * USUAL_SOCKET_BYTES // 2


def _unread_bytes(copy: int) -> int:
    return int.from_bytes(fcntl.ioctl(copy, termios.FIONREAD, bytes(4)), "little")


def _in_flight_bytes(process: int, number: int) -> int:
    """Return the most that descriptors may hold which are waiting in a socket to be received."""
    text = Path(f"/proc/{process}/fdinfo/{number}").read_text()
    found = re.search(r"^scm_fds: *(\d+)", text, re.MULTILINE)
    return int(found[1]) * USUAL_SOCKET_BYTES if found else 0
