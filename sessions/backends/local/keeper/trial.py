"""Start JupyterLab and a kernel once at the end of a build, as a notebook does.

A build that installs nothing has the base alone, which was tried when it was made. Nor is one tried
that only adds packages which neither of them loads (`is_needed`): nothing could make it fail but
what the first notebook shows as well, and somebody waits for that.

So an environment in which they do not work fails as a build. Only the person's own things and the
start script are missing: these belong to a notebook's start, not to the environment.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import time
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sessions.jupyter import safe_mode_variables
from sessions.repofiles.lines import LineSplitter

from . import bounds, jupyter
from .files import read_own, remove
from .jobs import BuildJob, ServerJob
from .log import MAX_LINE_LENGTH
from .probe import GONE, NoKernelError, Probe
from .program import follow, open_process
from .sandbox import ENVIRONMENT, HOME, IO_FOLDER, Bind, Sandbox
from .status import JobFailed

SECONDS = 120
"""Seconds that JupyterLab may take to answer; on an idle machine it takes two."""
KERNEL_SECONDS = 45
"""Seconds after which a kernel counts as slow; JupyterLab gives up on a dead one after twenty."""
_PAUSE = 0.05
_LINES = 10
_CACHE = "__pycache__"
_SHARED = "share/jupyter"
_STARTUP = {"sitecustomize", "usercustomize"}
_GROUP = re.compile(r"^\s*\[\s*(jupyter|ipy|notebook|nb|traitlets)", re.IGNORECASE | re.MULTILINE)
"""Groups of entry points that JupyterLab, its server and its kernel look for."""
_GIVES_UP_SOON = ["--KernelRestarter.time_to_dead=0.5", "--KernelRestarter.restart_limit=2"]
"""Otherwise, JupyterLab takes 20 seconds to give up on a kernel that dies."""
_START_SCRIPT_NOTE = (
    b"The kernel does not start here. It is not held against the build, as the repository's start "
    b"script, which has not run, may set what it needs.\n"
)


@dataclass(frozen=True)
class Fault:
    """Code and sentence of a trial that fails; ``home`` is the folder that it has as its home.

    Without ``needs_kernel``, a kernel that dies or is missing is no failure.
    """

    code: str
    sentence: str
    advice: str
    home: str
    needs_kernel: bool = True


PACKAGES = Fault(
    "build.no-jupyterlab",
    "JupyterLab does not work with the package versions that the repository installs.",
    "Loosen the pins that the log names.",
    home="home",
)
BASE = Fault(
    "build.base",
    "JupyterLab does not work on this machine, whatever a repository installs.",
    "Tell the staff.",
    home="cache",  # empty
)

Watch = Callable[[int], Coroutine[Any, Any, None]]


class _AnsweredError(Exception):
    """JupyterLab and its kernel have answered, which ends the trial."""


class _KernelDiedError(Exception):
    """JupyterLab works, but has given up restarting its kernel."""


def is_needed(base: Path, environment: Path, version: str) -> bool:
    """Return whether a build may have changed what JupyterLab and its kernel load when they start.

    ``base`` is what ``environment`` began with. A package of its own is only loaded if it says so
    (`_is_loaded`).
    """
    packages = f"lib/python{version}/site-packages"
    try:
        for top, may_add in ((packages, True), ("bin", True), ("etc", False), (_SHARED, False)):
            if _has_changed(base / top, environment / top, may_add=may_add):
                return True
        there = set(os.listdir(base / packages))
        found = os.listdir(environment / packages)
        return any(_is_loaded(environment / packages / name) for name in found if name not in there)
    except (OSError, ValueError):  # something of the base is gone, or it is none of Python's files
        return True


def _has_changed(base: Path, now: Path, *, may_add: bool = False) -> bool:
    """Return whether a tree differs from the base's: installers change the times of its folders.

    In the first one, files are compared instead if some may be added.
    """
    if not base.is_dir():
        return os.path.lexists(now)
    if not may_add and now.lstat().st_mtime_ns != base.stat().st_mtime_ns:
        return True
    with os.scandir(base) as entries:
        for each in entries:
            place = now / each.name
            if each.is_symlink():
                changed = may_add and os.readlink(place) != os.readlink(each.path)
            elif each.is_dir():
                changed = each.name != _CACHE and _has_changed(Path(each.path), place)
            else:
                changed = may_add and place.lstat().st_mtime_ns != each.stat().st_mtime_ns
            if changed:
                return True
    return False


def _is_loaded(path: Path) -> bool:
    """Return whether Python, JupyterLab or a kernel may load this new entry of site-packages."""
    if path.suffix == ".dist-info":
        points = path / "entry_points.txt"
        return points.exists() and bool(_GROUP.search(read_own(points)))
    return path.suffix in {".pth", ".egg-info", ".egg-link"} or path.stem in _STARTUP


async def start_once(
    folder: Path,
    job: BuildJob,
    limits: Sandbox,
    output: Callable[[bytes], None],
    watch: Watch,
    fault: Fault,
) -> None:
    """Start JupyterLab in the finished environment, and end it when it and a kernel answer.

    ``folder`` is the keeper's run folder, ``limits`` a sandbox of the build's, whose limits
    ``watch`` enforces. Raises `JobFailed` if it does not answer, with the ``fault``.
    """
    notebook = _notebook(job)
    for left in (folder / "io" / jupyter.SOCKET, folder / jupyter.SOCKET):
        remove(left)  # by a keeper that was killed here
    jupyter.write_configuration(folder / "config", notebook)
    probe = Probe(folder / "io", folder / jupyter.SOCKET, notebook.token)
    recent = _Recent(output)

    async def watch_all(pid: int) -> None:
        await bounds.run_until_first(watch(pid), _wait_for_answer(probe))

    sandbox = _sandbox(folder, notebook, limits, fault.home)
    command = [*jupyter.command("", "", runs_start=False), *_GIVES_UP_SOON]
    try:
        async with open_process(sandbox, command) as process:
            status = await follow(process, recent.write, watch_all)
    except _AnsweredError:
        return
    except (_KernelDiedError, NoKernelError) as error:
        if fault.needs_kernel:
            raise _failure(fault, str(error), recent.lines) from None
        output(_START_SCRIPT_NOTE)
        return
    except TimeoutError:
        raise _failure(
            fault, f"It did not answer within {SECONDS} seconds.", recent.lines
        ) from None
    raise _failure(fault, f"It ended with status {status}.", recent.lines)


async def _wait_for_answer(probe: Probe) -> None:
    """Raise `_AnsweredError` once JupyterLab answers, and `TimeoutError` if it takes too long."""
    began = time.monotonic()
    while not await probe.answers():
        if time.monotonic() - began > SECONDS:
            raise TimeoutError
        await asyncio.sleep(_PAUSE)
    await _wait_for_kernel(probe)
    raise _AnsweredError


async def _wait_for_kernel(probe: Probe) -> None:
    """Return when a kernel works, or is only slow. Raises `_KernelDiedError` or `NoKernelError`."""
    began, kernel = time.monotonic(), await probe.start_kernel()
    if not kernel:
        return
    async with probe.greeting(kernel):
        while time.monotonic() - began < KERNEL_SECONDS:
            state = await probe.kernel_state(kernel)
            if state == GONE:
                raise _KernelDiedError("Its Python kernel dies at once.")
            if state == "idle":
                return
            await asyncio.sleep(_PAUSE)


class _Recent:
    """Passes output on, and keeps its last lines."""

    def __init__(self, output: Callable[[bytes], None]) -> None:
        self._output = output
        self._splitter = LineSplitter(MAX_LINE_LENGTH)
        self._last: deque[str] = deque(maxlen=_LINES)

    def write(self, piece: bytes) -> None:
        self._output(piece)
        self._last.extend(self._splitter.feed(piece))

    @property
    def lines(self) -> list[str]:
        return [*self._last, *self._splitter.end()][-_LINES:]


def _failure(fault: Fault, why: str, lines: list[str]) -> JobFailed:
    last = "\n".join(["", "Its last lines:", *lines]) if lines else ""
    return JobFailed(fault.code, f"{fault.sentence} {why} {fault.advice}{last}")


def _notebook(job: BuildJob) -> ServerJob:
    """Return the job of a notebook that is nobody's."""
    return ServerJob(
        name="build",
        owner="jovyan",
        environment=job.partial,
        project="",
        volume="",
        commit=job.commit,
        url=job.url,
        token=secrets.token_urlsafe(32),
        cpus=1,
        bounds=job.bounds,
        site=job.site,
        trusted=[],
    )


def _sandbox(folder: Path, notebook: ServerJob, limits: Sandbox, home: str) -> Sandbox:
    return replace(
        limits,
        binds=(
            Bind(f"{notebook.environment}/env", ENVIRONMENT),
            Bind(f"{notebook.environment}/{home}", HOME),
            Bind(str(folder / "io"), IO_FOLDER, writable=True),
            Bind(str(folder / "config"), jupyter.CONFIG),
        ),
        workdir=HOME,
        environment={**jupyter.variables(notebook), **safe_mode_variables()},
        files={},
    )
