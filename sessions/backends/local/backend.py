"""The local back end: environments and notebooks as sandboxed processes of this machine.

It only writes what is wanted and reads what is: each build and each notebook has a `keeper` process
of its own, which keeps running when the portal restarts. Neighbours: `folders` (paths),
`environments` (finished builds), `keeper_jobs` (keepers' jobs), `keyfiles` (notebooks' SSH keys),
`keeper_processes` (starting and stopping keepers), `reports` (statuses and their changes),
`orphans` (whose data this is, leftovers of killed keepers, folders without a row), `removal`
(deleting folders), `owners` (uids), `toolbox` (build tools), `health` (problems).
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from django.conf import settings
from django.utils.translation import gettext as _

from keys.keypairs import SshIdentity
from sessions import outages
from sessions.backends import (
    BuildReport,
    BuildSpec,
    Capacity,
    Image,
    Inventory,
    LogLines,
    PersonFiles,
    Problem,
    ProjectSize,
    ServerReport,
    ServerSpec,
    SetAsideItem,
)
from sessions.backends.personfiles import FilesHere
from sessions.errors import BinderyError, TemporaryError, UserError
from sessions.repofiles.browse import Browser

from . import (
    environments,
    health,
    keeper_jobs,
    keeper_processes,
    keyfiles,
    orphans,
    owners,
    removal,
    reports,
    toolbox,
)
from .folders import BUILD, SERVER, Folders
from .keeper import bases, compiling
from .keeper.jobs import base_folder
from .reports import Changes
from .toolbox import interpreters

_PROBLEMS_SECONDS = 30.0


class LocalBackend:
    """The back end for this machine; `sessions.backends.Backend` says what each method promises."""

    def __init__(self) -> None:
        self._problems: tuple[float, list[Problem]] | None = None

    @property
    def folders(self) -> Folders:
        """Return the folders below ``PORTAL_DATA``."""
        return Folders(settings.PORTAL_DATA)

    def problems(self) -> list[Problem]:
        """Return what is missing on this machine, as found within the last 30 seconds."""
        now = time.monotonic()
        if self._problems is None or now - self._problems[0] > _PROBLEMS_SECONDS:
            self._problems = (now, list(health.problems(self.folders)))
        return self._problems[1]

    def examine(self) -> Iterator[Problem]:
        """Yield accounts that share uids with notebooks, damages, and limits that do not hold."""
        return health.examine(self.folders)

    def check_access(self) -> list[Problem]:
        """Return nothing: `problems` has what this machine does not allow."""
        return []

    def capacity(self) -> Capacity:
        """Return all of this machine, and the data folder's disk; notebooks here get no GPU."""
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        disk = shutil.disk_usage(self.folders.root)
        return Capacity(
            cpu=os.cpu_count(),
            memory_gb=memory / 1e9,
            gpu=0,
            disk_gb=disk.total / 1e9,
            disk_free_gb=disk.free / 1e9,
        )

    def prepare(self) -> None:
        """Make the folders and the build tools. Raises `TemporaryError` without a network."""
        folders, builder = self.folders, owners.builder_uid()
        folders.root.mkdir(parents=True, exist_ok=True)
        health.allow_traversal(folders.root)
        self._record_earlier_uids()
        for path in (folders.run, folders.projects, folders.homes):
            owners.make_shared_folder(path, 0o711)
        owners.record_current_uids(folders.homes)
        owners.make_folder(folders.toolboxes, 0, 0o755)
        owners.make_folder(folders.environments, builder, 0o755)
        owners.make_folder(folders.cache, builder, 0o700)
        for python in list(interpreters(builder).values())[:1]:
            toolbox.ensure(folders.toolboxes, python)
        self._problems = None

    @outages.retry_on_disk_error()
    def warm_up(self) -> None:
        """Start a keeper that makes the base of environments and compiles, if one is needed.

        Raises `TemporaryError` if this machine lacks something that builds need.
        """
        folder = self.folders.base_keeper
        if keeper_processes.is_alive(folder):
            return
        removal.drop(folder)  # what an earlier one has left
        job = keeper_jobs.base_job(self.folders, self._toolbox())
        has_base = bases.is_usable(base_folder(job, next(iter(job.pythons))))
        if not has_base or compiling.pending(self.folders.environments):
            keeper_processes.start(folder, owners.builder_uid(), job)

    def _record_earlier_uids(self) -> None:
        """Note the uid of the environments if nothing is noted yet.

        It is either the base that people's uids were counted from, or the one ordinary user that
        owned everything.
        """
        homes, environments = self.folders.homes, self.folders.environments
        if not homes.exists() or not environments.exists() or (homes / owners.UIDS_FILE).exists():
            return
        there = environments.stat().st_uid
        if homes.stat().st_uid == 0:
            owners.record_uids(homes, base=there)
        else:
            owners.record_uids(homes, own=there)

    def installation(self) -> str:
        """Return the id in the data folder, "" if it has none."""
        return orphans.read_id(self.folders)

    @outages.retry_on_disk_error()
    def ensure_installation(self, installation_id: str) -> str:
        """Write the id into the data folder unless it has one; return the one it has now."""
        return orphans.ensure_id(self.folders, installation_id)

    def inventory(self) -> Inventory:
        """Return what the data folder's names stand for."""
        return orphans.inventory(self.folders)

    def foreign(self) -> list[str]:
        """Return nothing: the id is that of the whole folder."""
        return []

    def assign_installation(self, known: Inventory) -> None:
        """Do nothing: single things carry no mark here."""

    def set_aside(self, name: str) -> None:
        """Move the project's folder to those that are set aside, if it exists."""
        orphans.set_aside(self.folders, name)

    def set_aside_items(self) -> list[SetAsideItem]:
        """Return the folders that are set aside."""
        return orphans.set_aside_items(self.folders)

    def set_aside_size(self, item_id: str) -> int | None:
        """Return the folder's bytes on disk; None if unknown."""
        return orphans.set_aside_size(self.folders, item_id)

    def put_back(self, item_id: str) -> None:
        """Move the folder back to its name. Raises `StateConflict` if that is taken."""
        orphans.put_back(self.folders, item_id)

    def remove_set_aside(self, item_id: str) -> None:
        """Remove the folder for good; does nothing if it does not exist."""
        orphans.remove_set_aside(self.folders, item_id)

    def has_image(self, image: str) -> bool:
        """Return whether an environment is finished and whole on the disk."""
        return environments.read_result(self.folders.environment(image)) is not None

    def images(self) -> list[Image]:
        """Return the environments that notebooks can use."""
        return environments.finished_images(self.folders)

    def is_damaged(self, image: str) -> bool:
        """Compare the base that the environment began with to the list of its files."""
        return environments.is_damaged(self.folders, image)

    def image_size(self, image: str) -> int | None:
        """Return the environment's bytes on disk; None if it does not exist or takes too long."""
        return environments.size(self.folders, image)

    def remove_image(self, image: str) -> None:
        """Remove the environment. Raises `TemporaryError` if that fails."""
        environments.drop(self.folders, image)

    @outages.retry_on_disk_error()
    def ensure_build(self, spec: BuildSpec) -> None:
        """Start a keeper for the build unless there is one, or the environment is finished.

        Raises `TemporaryError` if this machine lacks something that builds need.
        """
        folder = self.folders.keeper(BUILD, spec.id)
        keeper_processes.finish_removal(folder)  # of an earlier try
        if reports.is_over(folder):
            return
        if (found := environments.read_result(self.folders.environment(spec.image))) is not None:
            keeper_processes.write_built_status(
                folder, owners.builder_uid(), str(found.get("pack", ""))
            )
            return
        job = keeper_jobs.build_job(spec, self.folders, self._toolbox())
        keeper_processes.start(folder, owners.builder_uid(), job, keeper_jobs.fetch_key(spec))

    def cancel_build(self, build_id: int) -> None:
        """Tell the build's keeper to end, and to report it as cancelled."""
        keeper_processes.request_stop(self.folders.keeper(BUILD, build_id), keeper_processes.CANCEL)

    def forget_build(self, build_id: int) -> None:
        """Kill the build's keeper if it still runs, and have its folder removed."""
        keeper_processes.kill(self.folders.keeper(BUILD, build_id), keeper_processes.REMOVE)

    def read_log(self, build_id: int, position: str) -> LogLines | None:
        """Return the next whole lines of the keeper's log, all of one phase, or None."""
        return reports.read_log_lines(self.folders.keeper(BUILD, build_id), position)

    @outages.retry_on_disk_error()
    def ensure_server(self, spec: ServerSpec) -> None:
        """Start a keeper for the notebook unless there is one.

        Raises `UserError` without the environment, and `TemporaryError` if this machine lacks
        something that notebooks need.
        """
        folder = self.folders.keeper(SERVER, spec.id)
        if reports.is_over(folder):
            return
        if not self.has_image(spec.image):
            message = _(
                "The notebook's environment no longer exists. Start it again to rebuild it."
            )
            raise UserError("spawn.no-image", message)
        job = keeper_jobs.server_job(spec, self.folders, self._toolbox())
        uid = owners.person_uid(spec.owner_id)
        owners.chown_private(self.folders.environment(spec.image), uid)
        for place in (self.folders.volume(spec.volume), self.folders.project(spec.name)):
            owners.make_person_folder(place, spec.owner_id, self.folders.homes)
        owners.make_folder(folder, uid, 0o700)
        if spec.identity:
            keyfiles.write(folder, uid, spec.identity)
        keeper_processes.start(folder, uid, job, keeper_jobs.fetch_key(spec))
        if compiling.pending(self.folders.environments):
            self.warm_up()

    def remove_server(self, session_id: int) -> None:
        """Tell the notebook's keeper to end, and to report it as stopped."""
        keeper_processes.request_stop(
            self.folders.keeper(SERVER, session_id), keeper_processes.CANCEL
        )

    def kill_server(self, session_id: int) -> None:
        """Kill the keeper; its sandbox ends with it."""
        keeper_processes.kill(self.folders.keeper(SERVER, session_id), keeper_processes.CANCEL)

    def forget_server(self, session_id: int) -> None:
        """Have the keeper's folder removed."""
        keeper_processes.request_stop(
            self.folders.keeper(SERVER, session_id), keeper_processes.REMOVE
        )

    def why_slow(self, session_id: int, seconds: float) -> tuple[str, str]:
        """Return code and sentence about a notebook that has not answered for ``seconds``."""
        return reports.why_slow(self.folders.keeper(SERVER, session_id), seconds)

    def renew_identity(self, volume: str, identity: SshIdentity) -> None:
        """Write these keys into the run folders of the person's live notebooks."""
        keyfiles.renew(self.folders.run, volume, identity)

    def forget_identity(self, volume: str) -> None:
        """Remove the keys from the run folders of the person's ended notebooks."""
        keyfiles.forget(self.folders.run, volume)

    def adopt_volume(self, volume: str, owner_id: int) -> bool:
        """Give the person their folder; return whether it had another owner.

        Does nothing unless the portal runs as root; otherwise all folders have one owner.
        """
        folder, uid = self.folders.volume(volume), owners.person_uid(owner_id)
        return folder.exists() and os.geteuid() == 0 and owners.chown_all(folder, uid)

    def remove_project(self, name: str, volume: str = "") -> bool:
        """Have the project's folder removed; return whether it is gone."""
        removal.drop(self.folders.project(name))
        return not removal.is_being_removed(self.folders.projects, name)

    def open_files(self, name: str, volume: str) -> PersonFiles:
        """Return the folders of this machine."""
        places = {
            "project": str(self.folders.project(name) / "home"),
            "volume": str(self.folders.volume(volume)),
        }
        return FilesHere(
            Browser(places, lambda folder, entry: removal.discard(self.folders, folder, entry))
        )

    def measure_project(self, name: str, volume: str) -> ProjectSize:
        """Return the folder's bytes on disk, None inside if counting takes too long."""
        return ProjectSize(environments.disk_usage(self.folders.project(name)))

    def builds(self) -> list[BuildReport]:
        """Return a report for each keeper of a build, except forgotten ones."""
        return reports.build_reports(self.folders.run)

    def servers(self) -> list[ServerReport]:
        """Return a report for each keeper of a notebook, except forgotten ones."""
        return reports.server_reports(self.folders.run)

    def projects(self) -> list[str]:
        """Return the names of the projects' folders."""
        return orphans.projects(self.folders)

    def sweep(self) -> list[str]:
        """Remove leftovers of dead builds and removed projects; return their names."""
        if compiling.pending(self.folders.environments):  # whose keeper was killed
            with suppress(BinderyError):
                self.warm_up()
        return orphans.sweep(self.folders)

    def changes(self) -> Iterator[BuildReport | ServerReport | None]:
        """Yield reports as keepers write them, starting with all of them."""
        owners.make_shared_folder(self.folders.run, 0o711)
        yield from Changes(self.folders.run)

    def _toolbox(self) -> Path:
        """Return the toolbox if sandboxes have everything they need. Raises `TemporaryError`."""
        for problem in self.problems():
            raise TemporaryError(problem.id, problem.message)
        python = next(iter(interpreters(owners.builder_uid()).values()))
        return self.folders.toolboxes / toolbox.toolbox_name(python)
