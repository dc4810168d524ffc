"""Run a notebook, from preparing its files to JupyterLab's end, however that comes."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from sessions import gitsettings
from sessions.egress import proxy
from sessions.egress.addresses import EgressRules

from . import bounds, jupyter, status
from .cgroups import Group
from .home import KEY_FOLDER, KEY_MOUNT, link_keys, prepare_home, sync
from .jobs import ServerJob
from .jupyter import send_request
from .log import Log
from .program import follow, open_process, wait_for_exit
from .sandbox import Bind, Sandbox
from .status import JobFailed, Status

_SHUTDOWN_SECONDS = 5
_PAUSE = 0.02
_IN_MEMORY = ("/tmp", "/dev/shm", "/run")


class Server:
    """One run of a notebook. ``folder`` is the keeper's run folder."""

    def __init__(
        self, folder: Path, job: ServerJob, log: Log, initial_status: Status, group: Group | None
    ) -> None:
        self._folder = folder
        self._job = job
        self._log = log
        self._status = initial_status
        self._io_folder = folder / "io"
        self._socket = folder / jupyter.SOCKET
        self._ready = False
        self._group = group
        self._memory = bounds.MemoryLimit(job.bounds.memory, _out_of_memory(job), _IN_MEMORY, group)

    async def run(self) -> Status:
        """Serve until the notebook ends by itself. Raises `JobFailed` if it fails."""
        home, files = prepare_home(self._job)
        self._status = replace(self._status, files=files)
        if (self._folder / KEY_FOLDER).is_dir():
            link_keys(home)
        for old in (self._io_folder / "net", self._io_folder / jupyter.SOCKET, self._socket):
            old.unlink(missing_ok=True)
        self._write_configuration()
        rules = EgressRules(frozenset(self._job.trusted), frozenset(self._job.closed))
        way_out = await proxy.serve(rules, path=str(self._io_folder / "net"))
        try:
            async with open_process(self._sandbox(home), self._command()) as process:
                try:
                    code = await follow(process, self._log.write_output, self._watch)
                except asyncio.CancelledError:
                    await self._shut_down(process)
                    raise
        finally:
            way_out.close()
        self._log.end_line()
        self._memory.check()
        if code or not self._ready:
            raise JobFailed("spawn.crashed", self._exit_message(code))
        return Status()

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
            links=jupyter.links(job),
            memory=str(folder / "memory"),
            group=self._group,
        )

    def _write_configuration(self) -> None:
        folder = self._folder / "config"
        has_key = (self._folder / KEY_FOLDER).is_dir()
        git = gitsettings.notebook_settings(self._job.author, self._job.email, has_key=has_key)
        texts = {**jupyter.configuration(self._job.token), gitsettings.FILE: git}
        for name, text in texts.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(0o600)
            path.write_text(text)

    def _command(self) -> list[str]:
        built = json.loads(Path(self._job.environment, "result.json").read_text())
        return jupyter.command(built["python"], built["start"])

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
                while not await self._answers():
                    await asyncio.sleep(_PAUSE)
        except TimeoutError:
            raise JobFailed("spawn.timeout", self._timeout_message()) from None
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

    async def _answers(self) -> bool:
        return self._link_socket() and await self._ask("GET", jupyter.STATUS) == 200

    def _link_socket(self) -> bool:
        """Return whether the socket exists, under a name that the notebook cannot reassign.

        The socket lies in a folder that the notebook may write: a link put in its place would lead
        whoever connects to any socket of the machine.
        """
        with suppress(FileExistsError):
            try:
                os.link(self._io_folder / jupyter.SOCKET, self._socket, follow_symlinks=False)
            except FileNotFoundError:
                return False
        if not stat.S_ISSOCK(os.lstat(self._socket).st_mode):
            self._socket.unlink()
            return False
        return True

    async def _ask(self, method: str, path: str) -> int:
        return await send_request(str(self._socket), method, path, self._job.token)

    async def _shut_down(self, process: asyncio.subprocess.Process) -> None:
        """Let it stop its kernels and write what it has to write."""
        if self._ready and await self._ask("POST", jupyter.SHUTDOWN) == 200:
            with suppress(TimeoutError):
                await asyncio.wait_for(wait_for_exit(process), _SHUTDOWN_SECONDS)

    def _timeout_message(self) -> str:
        minutes = self._job.start_seconds / 60
        return f"JupyterLab did not answer within {minutes:.3g} minutes. {self._last_lines()}"

    def _exit_message(self, code: int) -> str:
        when = "exited by itself" if self._ready else "did not start"
        return f"JupyterLab {when} (status {code}). {self._last_lines()}"

    def _last_lines(self) -> str:
        return "\n".join(["Its last lines:", *self._log.last])


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
