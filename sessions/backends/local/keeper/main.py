"""The entry point of a keeper's process, see `keeper_processes`.

Arguments are its run folder and its uid; its standard input may hold a key. The caller returns at
once, with the lock of the run folder taken or found taken. The work goes on in a separate process,
which writes its status before and after.
"""

from __future__ import annotations

import asyncio

# Imported now, not on first use: once privileges are dropped, the interpreter's own files may no
# longer be readable.
import concurrent.futures.thread
import encodings.idna
import os
import signal
import sys
import time
import traceback
from dataclasses import replace
from pathlib import Path

from . import cgroups, files, jobs, linker, privileges, status
from .build import Build
from .cgroups import Group
from .jobs import BuildJob
from .linker import Linker
from .log import Log
from .server import Server
from .status import JobFailed, Status

PRELOADED = (concurrent.futures.thread, encodings.idna)
STOP_FILES = ("cancel", "remove")
"""Files in the run folder that tell a keeper to stop, even before it handles signals."""


def main() -> None:
    """Run the keeper that the arguments name."""
    run_keeper(Path(sys.argv[-2]), int(sys.argv[-1]))


def run_keeper(folder: Path, uid: int) -> None:
    """Do the job in ``folder`` as ``uid``; SIGTERM ends it early and gracefully.

    Return in the caller's process at once, and in the keeper's when its work is done.
    """
    if (lock := status.acquire_lock(folder / status.LOCK)) is None:
        return
    secret = sys.stdin.read()
    privileges.detach(folder / "keeper.log")
    privileged = _privileged_help(folder, uid)
    privileges.drop(uid)
    status.write_holder(lock)
    mine = Status(pid=os.getpid(), started=status.process_start_time(os.getpid()))
    _write(folder, mine)
    if end := asyncio.run(_final_status(folder, mine, secret, *privileged)):
        _write(folder, replace(end, state=status.ENDED, pid=mine.pid, started=mine.started))


def _privileged_help(folder: Path, uid: int) -> tuple[Group | None, Linker | None]:
    """Make what needs privileges: a cgroup for the memory of what the keeper runs, and a linker.

    Return None without them, also for a job that cannot be read: `run_keeper` reports that later.
    """
    try:
        job = jobs.read(folder)
        group = cgroups.make(folder, job.bounds.memory, uid)
        return group, linker.start(uid) if isinstance(job, BuildJob) else None
    except (OSError, ValueError):
        return None, None


def _write(folder: Path, current: Status) -> None:
    """Write the status, waiting for disk space unless the keeper was told to end."""
    while not status.try_write(folder, current) and not _is_stop_requested(folder):
        time.sleep(status.RETRY_SECONDS)


async def _final_status(
    folder: Path, mine: Status, secret: str, group: Group | None, files_linker: Linker | None
) -> Status | None:
    """Return how it ended; None if the machine ended it, so that it counts as lost.

    ``secret`` is the key that a build or a notebook's content needs for fetching, or "".
    """
    job = jobs.read(folder)
    kind = "build" if isinstance(job, BuildJob) else "spawn"
    log = Log(folder, job.bounds.log)
    work: Build | Server
    if isinstance(job, BuildJob):
        work = Build(folder, job, log, jobs.load_key(secret), group, files_linker)
    else:
        work = Server(folder, job, log, mine, group, jobs.load_key(secret))
    try:
        return await _run_unless_stopped(folder, asyncio.create_task(work.run()))
    except JobFailed as ended:
        return Status(code=ended.code, message=ended.message, end=ended.end)
    except asyncio.CancelledError:
        if not _is_stop_requested(folder):
            return None
        return Status(code="build.cancelled", message="Cancelled.") if kind == "build" else Status()
    except Exception as error:  # noqa: BLE001  (nothing above could report it)
        return _unexpected_failure(kind, error)
    finally:
        while not log.flush() and not _is_stop_requested(folder):
            await asyncio.sleep(status.RETRY_SECONDS)


def _unexpected_failure(kind: str, error: Exception) -> Status:
    """Return the status after an unexpected error; a disk's refusal is not the portal's mistake."""
    if isinstance(error, OSError) and (why := files.error_reason(error.errno)):
        return Status(code=f"{kind}.{why}", message=files.failure_message(kind, why))
    traceback.print_exception(error)
    return Status(
        code=f"{kind}.internal",
        message="Something went wrong on our side. Try again; if it happens again, tell the staff.",
    )


async def _run_unless_stopped(folder: Path, work: asyncio.Task[Status]) -> Status:
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, work.cancel)
    if _is_stop_requested(folder):
        work.cancel()
    return await work


def _is_stop_requested(folder: Path) -> bool:
    return any((folder / name).exists() for name in STOP_FILES)
