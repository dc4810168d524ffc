"""Watch the limits of a sandbox that no limit of a single process can enforce."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from . import files, usage
from .cgroups import Group
from .status import JobFailed

_MAX_GROWTH_PER_SECOND = 2_000_000_000
"""Bytes per second: how fast a machine can fill its memory, which decides when to check again."""
_GROUP_PAUSE = 0.5
NETLINK_DIVISOR = 4
"""No cgroup counts data in netlink sockets: they may hold the limit divided by this on top."""
_DISK_PAUSE = 3.0
MAX_OPEN_FILES = 65_536
"""Open files of all processes in a sandbox together; each process has 4,096 at most."""
TOO_MANY_FILES = JobFailed(
    "build.too-many-files",
    f"The build had more than {MAX_OPEN_FILES:,} files and connections open at once.",
)
_FILES_PAUSE = 0.5
_PROBE = 1_000_000
RESERVED_DISK_BYTES = 32_000_000
"""Bytes of a disk that no build may use: the portal's own database may be on the same one."""


def gigabytes(size: int) -> str:
    """Return a size in bytes as text in GB."""
    return f"{size / 1e9:.3g} GB"


async def run_until_first(*watches: Coroutine[Any, Any, None]) -> None:
    """Run the watches until one finishes; raise what it raised and cancel the others."""
    tasks = [asyncio.create_task(watch) for watch in watches]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()


@dataclass(frozen=True)
class MemoryLimit:
    """The memory limit of a sandbox.

    It may use ``limit`` bytes, or is ended with ``failure``. ``mounts`` are its in-memory folders.
    If it has a ``group``, the kernel enforces the limit.
    """

    limit: int
    failure: JobFailed
    mounts: Sequence[str]
    group: Group | None

    async def watch(self, process: int) -> None:
        """Raise ``failure`` when the sandbox of ``process`` uses more, or has tried to."""
        while True:
            self.check()
            pause = self._check_netlink(process) if self.group else self._check_usage(process)
            await asyncio.sleep(pause)

    def check(self) -> None:
        """Raise ``failure`` if the kernel has killed a process for lack of memory."""
        if self.group and self.group.oom_kills():
            raise self.failure

    def _check_netlink(self, process: int) -> float:
        if usage.sandbox_netlink_bytes(process) > self.limit // NETLINK_DIVISOR:
            raise self.failure
        return _GROUP_PAUSE

    def _check_usage(self, process: int) -> float:
        used = usage.memory_usage(process, self.mounts, self.limit)
        if used > self.limit:
            raise self.failure
        return min(1.0, max(0.1, (self.limit - used) / _MAX_GROWTH_PER_SECOND))


async def watch_open_files(process: int, failure: JobFailed) -> None:
    """Raise ``failure`` when the sandbox of ``process`` has too many files and sockets open.

    A machine has a fixed number of them for all its programs.
    """
    while usage.count_open_files(process) <= MAX_OPEN_FILES:
        await asyncio.sleep(_FILES_PAUSE)
    raise failure


async def watch_disk(folders: Sequence[str], limit: int, failure: JobFailed) -> None:
    """Raise ``failure`` when the folders together hold more than ``limit`` bytes.

    Adding up the files is slow, so it is done at once only if the whole disk has lost that much,
    and otherwise every few seconds.
    """
    base, room, pause = _disk_used(folders[0]), limit, _DISK_PAUSE
    while True:
        await asyncio.sleep(0.2)
        pause -= 0.2
        if _disk_used(folders[0]) - base < room and pause > 0:
            continue
        before = _disk_used(folders[0])
        held = await disk_usage(folders)
        if held > limit:
            raise failure
        base, room, pause = before, limit - held, _DISK_PAUSE


async def watch_free_space(folder: str, failure: JobFailed) -> None:
    """Raise ``failure`` when the disk of ``folder`` is full."""
    while not is_full(folder):
        await asyncio.sleep(0.2)
    raise failure


def is_full(folder: str) -> bool:
    """Return whether the disk has only the reserved space left."""
    there = os.statvfs(folder)
    return there.f_bavail * there.f_frsize < RESERVED_DISK_BYTES


def disk_error(folder: str) -> str:
    """Return why the disk takes no more data, as in `files`; "" if it does.

    Writes a file, because quotas show only then.
    """
    if is_full(folder):
        return files.FULL
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_PROBE))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        return files.error_reason(error.errno)
    return ""


async def disk_usage(folders: Sequence[str]) -> int:
    """Return the bytes that the files below the folders take on disk."""
    counting = await asyncio.create_subprocess_exec(
        "du", "--summarize", "--total", "--one-file-system", "--block-size=1", "--", *folders,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    output, _ = await counting.communicate()
    return int(output.split()[-2]) if output else 0


def _disk_used(folder: str) -> int:
    there = os.statvfs(folder)
    return (there.f_blocks - there.f_bfree) * there.f_frsize
