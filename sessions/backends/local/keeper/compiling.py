"""Compile the packages of finished environments, while their first notebooks start.

Nobody waits for it: a module that is not compiled yet only takes longer to import. It is done with
the least priority, by the keeper that also makes the base, one environment after another. An
environment has a mark until it was tried, so another keeper goes on where one was killed. Python
replaces each file as a whole, and a notebook that reads meanwhile sees the old state or the new.
Nothing of the packages runs here: see `steps.compile_step`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from . import steps
from .files import UNCOMPILED_MARK, may_be_incomplete, read_own
from .jobs import BuildJob
from .status import JobFailed

_AUTOGROUP = Path("/proc/self/autogroup")
_SECONDS = 600


def request(environment: Path, version: str) -> None:
    """Mark an environment that is being finished; ``version`` is its Python's. Raises `OSError`."""
    (environment / UNCOMPILED_MARK).write_text(version)


def pending(environments: Path) -> list[Path]:
    """Return the finished environments that wait, except those that a power cut has damaged."""
    marked = sorted(environments.glob(f"[!.]*/{UNCOMPILED_MARK}"))
    return [each.parent for each in marked if not may_be_incomplete(each.parent)]


async def compile_all(job: BuildJob, run: Callable[[steps.Step], Awaitable[None]]) -> None:
    """Compile each environment, also those that are finished meanwhile. Raises `OSError`."""
    _yield_to_everybody()
    while waiting := pending(Path(job.environments)):
        mark = waiting[0] / UNCOMPILED_MARK
        with suppress(JobFailed, TimeoutError, FileNotFoundError):  # it may be removed at any time
            if (version := read_own(mark)) in job.pythons:
                async with asyncio.timeout(_SECONDS):
                    await run(steps.compile_step(job, version, str(waiting[0])))
        mark.unlink(missing_ok=True)


def _yield_to_everybody() -> None:
    """Use only the processor time that nobody else wants, for good."""
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    with suppress(OSError):  # there, each keeper would get the same share whatever its priority
        _AUTOGROUP.write_text("19")
