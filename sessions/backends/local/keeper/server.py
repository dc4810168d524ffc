"""Run a notebook, from preparing its files to JupyterLab's end, however that comes."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from sessions import jupyter as lab
from sessions.egress import proxy
from sessions.egress.addresses import Rules

from . import bounds, jupyter, status
from .cgroups import Group
from .home import KEY_FOLDER, KEY_MOUNT, link_key, settle, sync
from .jobs import ServerJob
from .jupyter import ask
from .log import Log
from .program import end_of, followed, started
from .sandbox import Bind, Sandbox
from .status import Ended, Status

_KIND_SECONDS = 5
_PAUSE = 0.02
_IN_MEMORY = ("/tmp", "/dev/shm", "/run")


class Server:
    """One run of a notebook. ``folder`` is the keeper's run folder."""

    def __init__(
        self, folder: Path, job: ServerJob, log: Log, mine: Status, group: Group | None
    ) -> None:
        self._folder = folder
        self._job = job
        self._log = log
        self._mine = mine
        self._served = folder / "io"
        self._socket = folder / jupyter.SOCKET
        self._ready = False
        self._group = group
        self._memory = bounds.Memory(job.bounds.memory, _ate(job), _IN_MEMORY, group)

    async def run(self) -> Status:
        """Serve until the notebook ends by itself. Raises `Ended` if it fails."""
        home, files = settle(self._job)
        self._mine = replace(self._mine, files=files)
        if (self._folder / KEY_FOLDER).is_dir():
            link_key(home)
        for old in (self._served / "net", self._served / jupyter.SOCKET, self._socket):
            old.unlink(missing_ok=True)
        self._write_configuration()
        rules = Rules(frozenset(self._job.trusted), frozenset(self._job.closed))
        way_out = await proxy.serve(rules, path=str(self._served / "net"))
        try:
            async with started(self._sandbox(home), self._words()) as process:
                try:
                    code = await followed(process, self._log.output, self._watch)
                except asyncio.CancelledError:
                    await self._end_kindly(process)
                    raise
        finally:
            way_out.close()
        self._log.end_line()
        self._memory.check()
        if code or not self._ready:
            raise Ended("spawn.crashed", self._obituary(code))
        return Status()

    def _sandbox(self, home: Path) -> Sandbox:
        job, folder = self._job, self._folder
        return Sandbox(
            hostname=job.name,
            binds=[
                *jupyter.binds(job, str(home), str(self._served), str(folder / "config")),
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
        folder.mkdir(exist_ok=True)
        path = folder / lab.CONFIGURATION
        path.touch(0o600)
        path.write_text(jupyter.configuration(self._job.token))
        settings = folder / lab.SETTINGS
        settings.parent.mkdir(exist_ok=True)
        settings.write_text(lab.settings())

    def _words(self) -> list[str]:
        built = json.loads(Path(self._job.environment, "result.json").read_text())
        return jupyter.words(built["python"], built["start"])

    async def _watch(self, process: int) -> None:
        await bounds.first_of(
            self._memory.watch(process),
            bounds.watch_files(process, _opened_too_many()),
            self._announce(),
        )

    async def _announce(self) -> None:
        """Report that the notebook is ready once it answers."""
        try:
            async with asyncio.timeout(self._job.start_seconds):
                while not await self._answers():
                    await asyncio.sleep(_PAUSE)
        except TimeoutError:
            raise Ended("spawn.timeout", self._silence()) from None
        self._ready = True
        address = f"unix:{self._socket}"
        ready = replace(self._mine, state=status.READY, address=address)
        while not status.written(self._folder, ready):
            await asyncio.sleep(status.PAUSE)
        with suppress(
            OSError
        ):  # then a power cut may still take of it, and the next start mends it
            await asyncio.to_thread(sync, self._job)
        await asyncio.Event().wait()

    async def _answers(self) -> bool:
        return self._taken_out() and await self._ask("GET", jupyter.STATUS) == 200

    def _taken_out(self) -> bool:
        """Return whether the socket exists, under a name that the notebook cannot reassign.

        The socket lies in a folder that the notebook may write: a link put in its place would lead
        whoever connects to any socket of the machine.
        """
        with suppress(FileExistsError):
            try:
                os.link(self._served / jupyter.SOCKET, self._socket, follow_symlinks=False)
            except FileNotFoundError:
                return False
        if not stat.S_ISSOCK(os.lstat(self._socket).st_mode):
            self._socket.unlink()
            return False
        return True

    async def _ask(self, method: str, path: str) -> int:
        return await ask(str(self._socket), method, path, self._job.token)

    async def _end_kindly(self, process: asyncio.subprocess.Process) -> None:
        """Let it stop its kernels and write what it has to write."""
        if self._ready and await self._ask("POST", jupyter.SHUTDOWN) == 200:
            with suppress(TimeoutError):
                await asyncio.wait_for(end_of(process), _KIND_SECONDS)

    def _silence(self) -> str:
        minutes = self._job.start_seconds / 60
        return f"JupyterLab did not answer within {minutes:.3g} minutes. {self._last_lines()}"

    def _obituary(self, code: int) -> str:
        when = "ended by itself" if self._ready else "did not start"
        return f"JupyterLab {when} (status {code}). {self._last_lines()}"

    def _last_lines(self) -> str:
        return "\n".join(["Its last lines:", *self._log.last])


def _ate(job: ServerJob) -> Ended:
    return Ended(
        "spawn.out-of-memory",
        f"The notebook used more than its {bounds.gigabytes(job.bounds.memory)} of memory and was "
        "ended. Your files are there: start it again, and work on less at a time or ask for more.",
    )


def _opened_too_many() -> Ended:
    return Ended(
        "spawn.too-many-files",
        f"The notebook had more than {bounds.MOST_FILES:,} files and connections open at once and "
        "was ended. Your files are there: start it again, and close what you no longer use.",
    )
