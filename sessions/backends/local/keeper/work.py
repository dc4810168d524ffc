"""Do a keeper's job once it is detached, and write its status before and after."""

from __future__ import annotations

import asyncio

# Imported now because they are otherwise loaded on first use: once privileges are dropped, the
# interpreter's own files may no longer be readable.
import concurrent.futures.thread
import encodings.idna
import os
import signal
import time
import traceback
from dataclasses import replace
from pathlib import Path

from . import files, jobs, status
from .build import Build
from .cgroups import Group
from .jobs import BuildJob
from .log import Log
from .server import Server
from .status import Ended, Status

LOADED = (concurrent.futures.thread, encodings.idna)
STOPS = ("cancel", "remove")
"""Files in the run folder that tell a keeper to end, even before it takes signals."""


def do(folder: Path, secret: str, group: Group | None) -> None:
    """Do the job in ``folder``; SIGTERM ends it early and gracefully.

    ``secret`` is the key that a build needs for fetching, or "". ``group`` counts the memory of
    what it runs.
    """
    mine = Status(pid=os.getpid(), started=status.started(os.getpid()))
    _write(folder, mine)
    if end := asyncio.run(_outcome(folder, mine, secret, group)):
        _write(folder, replace(end, state=status.ENDED, pid=mine.pid, started=mine.started))


def _write(folder: Path, current: Status) -> None:
    """Write the status, waiting for disk space unless the keeper was told to end."""
    while not status.written(folder, current) and not _is_to_stop(folder):
        time.sleep(status.PAUSE)


async def _outcome(folder: Path, mine: Status, secret: str, group: Group | None) -> Status | None:
    """Return how it ended; None if the machine ended it, so that it counts as lost."""
    job = jobs.read(folder)
    kind = "build" if isinstance(job, BuildJob) else "spawn"
    log = Log(folder, job.bounds.log)
    work: Build | Server
    if isinstance(job, BuildJob):
        work = Build(folder, job, log, jobs.taken(secret), group)
    else:
        work = Server(folder, job, log, mine, group)
    try:
        return await _unless_stopped(folder, asyncio.create_task(work.run()))
    except Ended as ended:
        return Status(code=ended.code, message=ended.message)
    except asyncio.CancelledError:
        if not _is_to_stop(folder):
            return None
        return Status(code="build.cancelled", message="Cancelled.") if kind == "build" else Status()
    except Exception as error:  # noqa: BLE001  (nobody is there above to be told)
        return _mistake(kind, error)
    finally:
        while not log.flush() and not _is_to_stop(folder):
            await asyncio.sleep(status.PAUSE)


def _mistake(kind: str, error: Exception) -> Status:
    """Return the status after an unexpected error; a disk's refusal is not the portal's mistake."""
    if isinstance(error, OSError) and (why := files.reason(error.errno)):
        return Status(code=f"{kind}.{why}", message=files.sentence(kind, why))
    traceback.print_exception(error)
    return Status(code=f"{kind}.internal", message="The portal made a mistake of its own.")


async def _unless_stopped(folder: Path, work: asyncio.Task[Status]) -> Status:
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, work.cancel)
    if _is_to_stop(folder):
        work.cancel()
    return await work


def _is_to_stop(folder: Path) -> bool:
    return any((folder / name).exists() for name in STOPS)
