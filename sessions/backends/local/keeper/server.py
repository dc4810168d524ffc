"""Run a notebook, from preparing its files to JupyterLab's end, however that comes.

A second repository, for the content, is cloned as for a build, in a sandbox with git alone. Then it
is merged as the first one is (`home`), with a record of its own. A folder that had the content once
is good enough to start with: then the notebook starts whatever keeps the new content away.
"""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from sessions.egress import proxy
from sessions.egress.addresses import EgressRules
from sessions.jupyter import refusals
from sessions.repofiles import merge

from . import bounds, jupyter, status
from .build import Build
from .cgroups import Group
from .files import RESULT, read_own
from .home import KEY_FOLDER, KEY_MOUNT, link_keys, prepare_home, sync
from .jobs import Content, Key, ServerJob
from .log import Log
from .probe import SHUTDOWN, Probe
from .program import follow, open_process, wait_for_exit
from .sandbox import Bind, Sandbox
from .status import JobFailed, Status

_SHUTDOWN_SECONDS = 5
_PAUSE = 0.02
_LINES = 10
_REFUSED_PAUSE = 3.0
"""Seconds between requests to a server that refuses them, as it will mostly go on doing."""
_OK = 200
_IN_MEMORY = ("/tmp", "/dev/shm", "/run")


class Server:
    """One run of a notebook. ``folder`` is the keeper's run folder."""

    def __init__(
        self,
        folder: Path,
        job: ServerJob,
        log: Log,
        initial_status: Status,
        group: Group | None,
        key: Key | None = None,
    ) -> None:
        self._folder = folder
        self._job = job
        self._log = log
        self._status = initial_status
        self._io_folder = folder / "io"
        self._socket = folder / jupyter.SOCKET
        self._probe = Probe(self._io_folder, self._socket, job.token)
        self._ready = False
        self._answer = 0
        self._built: dict[str, str] = {}
        self._group = group
        self._key = key
        self._memory = bounds.MemoryLimit(job.bounds.memory, _out_of_memory(job), _IN_MEMORY, group)

    async def run(self) -> Status:
        """Serve until the notebook ends by itself. Raises `JobFailed` when it does."""
        self._built = _build_result(self._job)
        home, files = prepare_home(self._job)
        content = await prepare_content(
            self._job, self._folder, home, self._log, self._key, self._group
        )
        files |= {"content": content} if content else {}
        self._status = replace(self._status, files=files)
        if (self._folder / KEY_FOLDER).is_dir():
            link_keys(home)
        for name in ("net", jupyter.SOCKET, jupyter.BEGUN):
            (self._io_folder / name).unlink(missing_ok=True)
        self._socket.unlink(missing_ok=True)
        has_key = (self._folder / KEY_FOLDER).is_dir()
        jupyter.write_configuration(self._folder / "config", self._job, has_key=has_key)
        rules = EgressRules(frozenset(self._job.trusted), frozenset(self._job.closed))
        way_out = await proxy.serve(rules, path=str(self._io_folder / "net"))
        command = jupyter.command(
            self._built["python"],
            self._built["start"],
            runs_start=self._job.runs_start,
            as_built=self._job.keeps_start,
        )
        try:
            async with open_process(self._sandbox(home), command) as process:
                try:
                    code = await follow(process, self._log.write_output, self._watch)
                except asyncio.CancelledError:
                    await self._shut_down(process)
                    raise
        finally:
            way_out.close()
        self._log.end_line()
        self._memory.check()
        raise self._failure("spawn.crashed", f"The notebook ended (status {code}).", code)

    def _sandbox(self, home: Path) -> Sandbox:
        job, folder = self._job, self._folder
        return Sandbox(
            hostname=job.name,
            binds=[
                *jupyter.binds(job, str(home), str(self._io_folder), str(folder / "config")),
                Bind(str(folder / KEY_FOLDER), KEY_MOUNT, optional=True),
            ],
            site=job.site,
            bounds=job.bounds,
            scratch=job.bounds.memory // 2,
            environment=jupyter.variables(job),
            files=jupyter.hidden_files(job, self._built["python"]),
            links=jupyter.links(job),
            memory=str(folder / "memory"),
            group=self._group,
        )

    async def _watch(self, process: int) -> None:
        await bounds.run_until_first(
            self._memory.watch(process),
            bounds.watch_open_files(process, _too_many_files()),
            self._report_ready(),
        )

    async def _report_ready(self) -> None:
        """Report that the notebook is ready once it answers."""
        try:
            async with asyncio.timeout(self._job.start_seconds):
                while (answer := await self._probe.answer()) != _OK:
                    self._answer = answer
                    await asyncio.sleep(_REFUSED_PAUSE if answer else _PAUSE)
        except TimeoutError:
            message = "The notebook did not answer in time."
            raise self._failure("spawn.timeout", message, None) from None
        self._ready = True
        address = f"unix:{self._socket}"
        ready = replace(self._status, state=status.READY, address=address)
        while not status.try_write(self._folder, ready):
            await asyncio.sleep(status.RETRY_SECONDS)
        with suppress(
            OSError
        ):  # a power cut may then still damage it, and the next start repairs it
            await asyncio.to_thread(sync, self._job)
        await asyncio.Event().wait()

    async def _shut_down(self, process: asyncio.subprocess.Process) -> None:
        """Let it stop its kernels and write what it has to write."""
        if self._ready and await self._probe.ask("POST", SHUTDOWN) == 200:
            with suppress(TimeoutError):
                await asyncio.wait_for(wait_for_exit(process), _SHUTDOWN_SECONDS)

    def _failure(self, code: str, message: str, status: int | None) -> JobFailed:
        """Return the end with all that is known about it; ``status`` is None if it still runs."""
        script = self._built["start"] if self._job.runs_start else ""
        _status, lines = refusals(self._log.recent)
        return JobFailed(
            code,
            message,
            {
                "status": status,
                "has_begun": not script or os.path.lexists(self._io_folder / jupyter.BEGUN),
                "was_ready": self._ready,
                "script": script,
                "answer": self._answer,
                "lines": lines[-_LINES:],
                "seconds": self._job.start_seconds,
            },
        )


def _build_result(job: ServerJob) -> dict[str, str]:
    """Return what the build has left: the version of Python and the path of the start script."""
    found: dict[str, str] = json.loads(read_own(Path(job.environment, RESULT)))
    return found


def _out_of_memory(job: ServerJob) -> JobFailed:
    return JobFailed(
        "spawn.out-of-memory",
        f"The notebook used more than its {bounds.gigabytes(job.bounds.memory)} of memory and was "
        "stopped. Your files are safe. Start it again, and work on less at a time or ask for more.",
    )


def _too_many_files() -> JobFailed:
    return JobFailed(
        "spawn.too-many-files",
        f"The notebook had more than {bounds.MAX_OPEN_FILES:,} files and connections open at once "
        "and was stopped. Your files are safe. Start it again, and close what you no longer use.",
    )


_RECORD = "content-record"
_TIMEOUT = "build.timeout"


class ContentFetch(Build):
    """One fetch of the content. ``folder`` is the keeper's run folder, ``target`` its own."""

    def __init__(
        self,
        folder: Path,
        content: Content,
        log: Log,
        key: Key | None,
        group: Group | None,
        target: tuple[str, str],
    ) -> None:
        super().__init__(folder, content.fetch, log, key, group, None)
        self._target = target

    async def _steps(self) -> Status:
        await self._fetch()
        clone = str(self._partial / "home")
        return Status(files=merge.merge(clone, *self._target, self._job.commit))


async def prepare_content(
    job: ServerJob, folder: Path, home: Path, log: Log, key: Key | None, group: Group | None
) -> dict[str, Any]:
    """Bring the content into its folder below ``home``, and return the merge's report.

    The report has ``left``, the reason, if the folder stays as it was. Raises `JobFailed` with the
    code ``spawn.content`` if there is nothing to start with.
    """
    content = job.content
    if content is None or (content.unless_puller and _has_puller(job)):
        return {}
    target = (str(home / content.folder), str(_record(job)))
    named = {"folder": content.folder, "commit": content.fetch.commit}
    try:
        try:
            report = merge.merge("", *target, content.fetch.commit)
        except merge.MergeFailed as failed:
            if failed.code != "merge.no-source":
                raise
            report = (await ContentFetch(folder, content, log, key, group, target).run()).files
    except (merge.MergeFailed, JobFailed) as failed:
        why = "It took too long." if failed.code == _TIMEOUT else failed.message
        if _was_filled(job):
            return {**named, "left": why}
        raise JobFailed(
            "spawn.content",
            f"The content of {content.fetch.url} could not be fetched, so the notebook was not "
            f"started: {why}",
        ) from failed
    return {**report, **named}


def _record(job: ServerJob) -> Path:
    return Path(job.project, _RECORD)


def _was_filled(job: ServerJob) -> bool:
    return _record(job).exists()


def _has_puller(job: ServerJob) -> bool:
    """Return whether the environment has nbgitpuller, which fetches the content itself."""
    packages = Path(job.environment, "env/lib").glob("python3*/site-packages/nbgitpuller")
    return any(packages)
