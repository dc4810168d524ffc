"""How much memory the processes of one sandbox use together.

What is mapped is read from the processes. What lies in files that are memory (/tmp, /dev/shm,
memfd) belongs to no process, but can be seen through any of them: it is counted too.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

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
    shared by several processes are told apart only when it matters, because that is dear.
    """
    processes = members(root)
    files = _files(processes, mounts)
    rough = sum(_resident(process) for process in processes) + files
    return rough if rough <= enough else _exact(processes, files)


def _exact(processes: list[int], files: int) -> int:
    private = shared = 0
    for process in processes:
        sizes = _rollup(process)
        if not sizes:  # hides itself from us: then its rough size counts
            private += _resident(process)
        private += sizes.get("Pss", 0) - sizes.get("Pss_Shmem", 0)
        shared += sizes.get("Pss_Shmem", 0)
    return private + max(shared, files)


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
    """What lies in the sandbox's file systems in memory and in its nameless files."""
    total = 0
    for process in processes[2:]:  # the first two are bubblewrap itself, outside and inside
        total = max(total, _mounted(process, mounts))
    return total + _nameless(processes)


def _mounted(process: int, mounts: Sequence[str]) -> int:
    used = 0
    for path in mounts:
        try:
            there = os.statvfs(f"/proc/{process}/root{path}")
        except OSError:
            continue
        used += (there.f_blocks - there.f_bfree) * there.f_frsize
    return used


def _nameless(processes: list[int]) -> int:
    sizes: dict[int, int] = {}
    for process in processes:
        folder = f"/proc/{process}/fd"
        try:
            for name in os.listdir(folder):
                if os.readlink(f"{folder}/{name}").startswith("/memfd:"):
                    there = os.stat(f"{folder}/{name}")
                    sizes[there.st_ino] = there.st_blocks * 512
        except OSError:
            continue
    return sum(sizes.values())


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
