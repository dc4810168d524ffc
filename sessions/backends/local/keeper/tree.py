"""How much the processes of one sandbox use together, where no cgroup counts it.

What is mapped is read from the processes. What lies in files that are memory (/tmp, /dev/shm)
belongs to no process, but can be seen through any of them: it is counted too. `kept` has what lies
in sockets, pipes and shared mappings.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from . import kept
from .namespaces import BYTES_OF_INODE

_PAGE = os.sysconf("SC_PAGE_SIZE")


def members(root: int) -> list[int]:
    """The process ``root`` and everything below it."""
    found = [root]
    for process in found:  # grows while it is walked
        found.extend(children(process))
    return found


def memory(root: int, mounts: Sequence[str], enough: int) -> int:
    """The bytes used by the sandbox that the process ``root`` started.

    ``mounts`` are its folders in memory. Below ``enough`` the answer may be too high: pages
    shared by several processes are told apart, and what lies in sockets is asked for, only when it
    matters, because that is dear.
    """
    processes = members(root)
    files = _files(processes, mounts)
    netlink = in_netlink(root, processes)
    rough = sum(_resident(process) for process in processes) + files + netlink
    most = rough + kept.of_machine() + open_files(root, processes) * kept.most_in_socket()
    return rough if most <= enough else _exact(processes, files) + netlink


def in_netlink(root: int, processes: Sequence[int] = ()) -> int:
    """Return what waits in the sandbox's sockets of netlink, which no cgroup counts."""
    inside = [*(processes or members(root))][1:2]  # bubblewrap itself is in the machine's network
    return sum(kept.of_netlink(process) for process in inside)


def open_files(root: int, processes: Sequence[int] = ()) -> int:
    """How many descriptors the processes have, one that several have as often."""
    return sum(_open(process) for process in processes or members(root))


def _exact(processes: list[int], files: int) -> int:
    private = shared = 0
    held: kept.Sizes = {}
    mapped: kept.Sizes = {}
    for process in processes:
        sizes = _rollup(process)
        if not sizes:  # hides itself from us: then its rough size counts
            private += _resident(process)
        private += sizes.get("Pss", 0) - sizes.get("Pss_Shmem", 0)
        shared += sizes.get("Pss_Shmem", 0)
        held |= kept.of_descriptors(process)
        for key, size in kept.of_mappings(process).items():
            mapped[key] = max(size, mapped.get(key, 0))
    return private + sum(held.values()) + max(shared, files + sum(mapped.values()))


def children(process: int) -> Iterator[int]:
    """Those that it has started and that run; none for one that is gone."""
    try:
        threads = os.listdir(f"/proc/{process}/task")
    except OSError:
        return
    for thread in threads:
        yield from map(int, _text(f"/proc/{process}/task/{thread}/children").split())


def _resident(process: int) -> int:
    fields = _text(f"/proc/{process}/statm").split()
    return int(fields[1]) * _PAGE if fields else 0


def _rollup(process: int) -> dict[str, int]:
    lines = _text(f"/proc/{process}/smaps_rollup").splitlines()[1:]
    fields = [line.split() for line in lines]
    return {field[0].rstrip(":"): int(field[1]) * 1024 for field in fields}


def _files(processes: list[int], mounts: Sequence[str]) -> int:
    """Return all bytes in the sandbox's file systems in memory, with each file's own."""
    # the first two are bubblewrap outside and the first process inside, which shows nothing
    return max((_mounted(process, mounts) for process in processes[2:]), default=0)


def _mounted(process: int, mounts: Sequence[str]) -> int:
    used = 0
    for path in mounts:
        try:
            there = os.statvfs(f"/proc/{process}/root{path}")
        except OSError:
            continue
        used += (there.f_blocks - there.f_bfree) * there.f_frsize
        used += (there.f_files - there.f_ffree) * BYTES_OF_INODE
    return used


def _open(process: int) -> int:
    folder = f"/proc/{process}/fd"
    try:
        return os.stat(folder).st_size or len(os.listdir(folder))  # the size since Linux 6.2
    except OSError:
        return 0


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
