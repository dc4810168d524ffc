"""Run a build, from the fetched commit to the finished environment, all or nothing.

It works in a folder of its own that is renamed when everything is done; an environment found under
its name is complete. Neighbours: `steps` says what is run, `program` runs it, `bounds` watches it.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sessions.egress import proxy
from sessions.egress.addresses import EgressRules
from sessions.repofiles.configuration import hints, names, summary

from . import bases, bounds, compiling, files, steps, trial
from .cgroups import Group
from .files import make_readable, remove, rename_unless_exists
from .jobs import BuildJob, Key, base_folder
from .jupyter import USER_SITE_FILE, user_site_line
from .linker import Linker, duplicate
from .log import Log
from .program import run
from .sandbox import IO_FOLDER, Bind, Sandbox
from .status import JobFailed, Status

_FOLDERS = ("env", "home", "tmp", "cache", "resolved", "answer")
_SCRATCH = 64_000_000
_IN_MEMORY = ("/dev/shm", "/run")


class Build:
    """One run of a build. ``folder`` is the keeper's run folder."""

    def __init__(
        self,
        folder: Path,
        job: BuildJob,
        log: Log,
        key: Key | None,
        group: Group | None,
        linker: Linker | None,
    ) -> None:
        self._folder = folder
        self._job = job
        self._log = log
        self._key = key
        self._linker = linker
        self._explained: list[dict[str, str]] = [{}, {}]
        self._notes: list[str] = []
        self._partial = Path(job.partial)
        self._group = group
        limit = job.bounds.memory
        message = f"The build used more than its {bounds.gigabytes(limit)} of memory."
        ate = JobFailed("build.out-of-memory", message)
        self._memory = bounds.MemoryLimit(limit, ate, _IN_MEMORY, group)
        self._used_base: tuple[Path, float] | None = None

    async def run(self) -> Status:
        """Build, and return a status with the pack. Raises `JobFailed` if it fails."""
        remove(self._partial)
        self._partial.mkdir(mode=0o700)
        for name in _FOLDERS:
            (self._partial / name).mkdir()
        seconds = self._job.bounds.seconds
        limit = f"{seconds:.3g} seconds" if seconds < 120 else f"{seconds / 60:.3g} minutes"
        try:
            async with asyncio.timeout(seconds):
                return await self._steps()
        except TimeoutError:
            raise JobFailed(
                "build.timeout", f"The build was stopped because it took longer than {limit}."
            ) from None
        finally:
            remove(self._partial)

    async def _steps(self) -> Status:
        job = self._job
        if not job.environment:
            return await self._base_alone()
        self._log.phase("fetching")
        await self._fetch()
        if link := names.escaping_build_file(self._partial / "home"):
            raise JobFailed(
                "build.symlink-outside",
                f"The symbolic link {link} points outside the repository. Replace it with the file "
                "itself and try again.",
            )
        found = await self._detect()
        self._log.phase("building")
        async with self._egress_proxy(job.trusted):
            try:
                await self._install(found)
            except (JobFailed, OSError):
                if self._is_base_damaged():
                    raise bases.DAMAGED from None
                raise
            if found["rewritten"]:
                await self._step(steps.restore_step(job))
        base = base_folder(job, found["python"]).name
        self._finish(found | {"base": base})
        return Status(pack=found["pack"])

    async def _install(self, found: dict[str, Any]) -> None:
        """Install everything, and check that JupyterLab starts."""
        if not self._linker or not bases.is_usable(base_folder(self._job, found["python"])):
            await self._resolve(found)
        await self._install_base(found["python"])
        if self._linker:
            self._linker.end()
        asked = steps.repository_steps(self._job, found)
        for step in asked:
            await self._step(step)
        if not asked:  # it is the base alone, which was tried when it was made
            return
        await self._try_packages(asked[-1], found)
        if self._job.private:  # `compiling` cannot reach what is somebody's alone
            await self._step(steps.compile_step(self._job, found["python"], self._job.partial))
        else:
            compiling.request(self._partial, found["python"])

    async def _resolve(self, found: dict[str, Any]) -> None:
        """Fail if a package does not exist, before the base is made or copied.

        All other failures are left to the installation, which sees the packages of the base.
        """
        if not (step := steps.resolve_step(self._job, found)):
            return
        try:
            await self._step(step)
        except JobFailed as failed:
            if failed.code != step.code or hints.missing_package(self._log.recent):
                raise

    def _is_base_damaged(self) -> bool:
        """Return whether this build used a base that was damaged; the log says so."""
        if self._used_base is None:
            return False
        kept, since = self._used_base
        found = bases.set_aside_if_damaged(kept, since) or not kept.is_dir()
        if found:
            self._log.write_line("── The portal's own JupyterLab was damaged; see the staff's log")
        return found

    async def _fetch(self) -> None:
        limit = self._job.repository_limit
        too_large = JobFailed(
            "build.repository-too-large",
            f"The repository is larger than {bounds.gigabytes(limit)}, the limit here.",
        )
        try:
            async with self._egress_proxy(self._job.fetch_trusted, self._job.fetch_front):
                await self._step(steps.fetch_step(self._job, self._key), limit, too_large)
        except JobFailed as failed:
            raise self._fetch_failure(failed) from None
        self._key = None
        self._notes = self._fetch_answer().get("notes", [])
        if await bounds.disk_usage([self._job.partial]) > limit:  # it was too fast for the monitor
            raise too_large

    def _fetch_failure(self, failed: JobFailed) -> JobFailed:
        """Return the failure with the reason that the program has found, if it found one."""
        found = self._fetch_answer()
        return JobFailed(found["code"], found["message"]) if "code" in found else failed

    def _fetch_answer(self) -> dict[str, Any]:
        """Return what `gitclone` has answered; empty if it was ended before."""
        try:
            found: dict[str, Any] = json.loads(
                files.read_own(self._partial / "answer/fetched.json")
            )
        except (FileNotFoundError, ValueError):
            return {}
        return found

    async def _detect(self) -> dict[str, Any]:
        async with self._egress_proxy([]):
            await self._step(steps.detect_step(self._job))
        found: dict[str, Any] = json.loads(files.read_own(self._partial / "answer/detected.json"))
        block = summary.block(found.get("report", []), self._notes)
        self._log.write_output("".join(f"{line}\n" for line in block).encode())
        self._explained = [found.get("mistakes", {}), found.get("places", {})]
        if name := found.get("containers"):
            raise JobFailed(
                "build.needs-containers",
                f"The repository has {name}, which needs containers. This portal builds "
                "Python environments only; a portal on Kubernetes can build it.",
            )
        if found.get("error") == "build.python-missing":
            there = ", ".join(self._job.pythons)
            raise JobFailed(
                "build.python-missing",
                f"The repository asks for Python {found['message']}; this portal has {there}.",
            )
        if code := found.get("error"):
            raise JobFailed(
                code, f"The repository's configuration is not valid: {found['message']}"
            )
        return found

    async def _step(
        self, step: steps.Step, limit: int = 0, failure: JobFailed | None = None
    ) -> None:
        self._log.write_line(f"── {step.title}")
        self._log.recent.clear()
        status = await run(
            self._sandbox(step),
            step.argv,
            self._log.write_output,
            lambda process: self._watch(process, limit, failure),
        )
        self._log.end_line()
        self._memory.check()
        if status and (why := bounds.disk_error(self._job.partial)):  # too fast for the monitor
            raise JobFailed.from_disk("build", why)
        if status:
            why = hints.explain(step.code, self._log.recent, *self._explained)
            raise JobFailed(step.code, f"{step.message} {why}".rstrip())

    async def _try_packages(self, step: steps.Step, found: dict[str, Any]) -> None:
        """Start JupyterLab once, unless what was installed cannot concern it."""
        version = found["python"]
        base = base_folder(self._job, version)
        if found["post_build"] or await asyncio.to_thread(
            trial.is_needed, base, self._partial / "env", version
        ):
            fault = replace(trial.PACKAGES, needs_kernel=not found["start"])
            await self._start_once(step, fault)

    async def _start_once(self, step: steps.Step, fault: trial.Fault) -> None:
        self._log.write_line("── Starting JupyterLab once")
        try:
            await trial.start_once(
                self._folder,
                self._job,
                self._sandbox(step),
                self._log.write_output,
                self._watch,
                fault,
            )
        finally:
            self._log.end_line()
            self._memory.check()

    def _sandbox(self, step: steps.Step) -> Sandbox:
        return Sandbox(
            hostname="build",
            binds=(*step.binds, Bind(str(self._folder / "io"), IO_FOLDER)),
            site=self._job.site,
            bounds=self._job.bounds,
            scratch=_SCRATCH,
            workdir=step.workdir,
            environment=step.environment,
            files=step.files,
            memory=str(self._folder / "memory"),
            group=self._group,
        )

    async def _watch(self, process: int, disk: int = 0, failure: JobFailed | None = None) -> None:
        """Raise `JobFailed` at a limit, for ``disk`` bytes with the ``failure``."""
        whole = self._job.bounds.disk
        wrote = f"The build wrote more than {bounds.gigabytes(whole)}."
        failure = failure or JobFailed("build.disk-full", wrote)
        await bounds.run_until_first(
            self._memory.watch(process),
            bounds.watch_open_files(process, bounds.TOO_MANY_FILES),
            bounds.watch_disk([self._job.partial], disk or whole, failure),
            bounds.watch_free_space(self._job.partial, JobFailed.from_disk("build", files.FULL)),
        )

    @asynccontextmanager
    async def _egress_proxy(self, trusted: list[str], front: str = "") -> AsyncIterator[None]:
        """Serve the proxy of the steps inside; refused connections are noted in the log."""
        path = self._folder / "io" / "net"
        path.unlink(missing_ok=True)
        server = await proxy.serve(
            EgressRules(frozenset(trusted), frozenset(self._job.closed), portal_address=front),
            path=str(path),
            observe=lambda error: self._log.write_limited_line(f"Not connected: {error}"),
        )
        try:
            yield
        finally:
            server.close()

    async def _base_alone(self) -> Status:
        """Make the base of the preferred Python if there is none, then do what can wait."""
        self._log.phase("building")
        async with self._egress_proxy(self._job.trusted):
            version = next(iter(self._job.pythons))
            if not bases.is_usable(base_folder(self._job, version)):
                await self._install_base(version)
            await compiling.compile_all(self._job, self._step)
        return Status()

    async def _install_base(self, version: str) -> None:
        """Install JupyterLab; it is the same for all environments, so it is installed only once."""
        kept = base_folder(self._job, version)
        if not bases.is_usable(kept):
            async with bases.lock(kept, self._log):
                if not bases.is_usable(kept):
                    return await self._make_base(kept, version)
        self._log.write_line(f"── Using Python {version} and JupyterLab from an earlier build")
        self._used_base = (kept, time.time())
        await duplicate(self._linker, kept, self._partial / "env")
        (self._partial / "env" / files.UNSYNCED_MARK).unlink(missing_ok=True)
        self._add_user_site(version)
        return None

    async def _make_base(self, kept: Path, version: str) -> None:
        """Install the base into this environment, and keep a duplicate of it."""
        draft = kept.with_name(f".{self._folder.name}")
        remove(draft)
        remove(kept)  # if it may be incomplete, or has no list of its files
        for step in steps.base_steps(self._job, version):
            await self._step(step)
        self._add_user_site(version)
        await self._start_once(step, trial.BASE)  # for builds that install no more
        await duplicate(self._linker, self._partial / "env", draft)
        bases.record(draft, kept)
        files.mark_unsynced(draft)
        rename_unless_exists(draft, kept)

    def _add_user_site(self, version: str) -> None:
        """Add to the search path the folder in people's homes where their own packages go.

        The base of an older portal may have another line.
        """
        path = self._partial / f"env/lib/python{version}/site-packages" / USER_SITE_FILE
        line = user_site_line(version)
        if not path.exists() or path.read_text() != line:
            path.unlink(missing_ok=True)  # it may be a link
            path.write_text(line)

    def _finish(self, found: dict[str, Any]) -> None:
        for name in ("tmp", "cache", "resolved", "answer"):
            remove(self._partial / name)
        for name in ("env", "home"):
            make_readable(self._partial / name)
        (self._partial / files.RESULT).write_text(json.dumps(found))
        files.mark_unsynced(self._partial)
        os.chmod(self._partial, 0o700 if self._job.private else 0o755)
        rename_unless_exists(self._partial, Path(self._job.environment))
