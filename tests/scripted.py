"""A back end that does what a test tells it: builds end, servers answer and vanish on command.

For rules that hold on every back end; real ones are tested in ``tests/backends``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from keys.keypairs import SshIdentity
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
from sessions.errors import StateConflict
from sessions.repofiles.browse import Browser


class ScriptedBackend:
    """A scripted back end. ``stubborn`` servers and builds do not end when asked, ``undying``
    servers not at all; ``lingering`` projects are not completely removed as long as they are listed
    there. ``place`` is the id that all of it bears, ``withheld`` the error raised when asked for
    it.
    """

    def __init__(self) -> None:
        self.kept_images: dict[str, int | None] = {}
        self.keeps_images: Exception | None = None
        self.started_builds: dict[int, BuildSpec] = {}
        self.build_reports: dict[int, BuildReport] = {}
        self.output: dict[int, list[tuple[str, str]]] = {}
        self.started_servers: dict[int, ServerSpec] = {}
        self.server_reports: dict[int, ServerReport] = {}
        self.kept_projects: set[str] = set()
        self.identities: dict[str, SshIdentity] = {}
        self.foreign_volumes: dict[str, str] = {}
        self.troubles: list[Problem] = []
        self.there_is: Capacity | None = Capacity(cpu=16, memory_gb=64, gpu=2)
        self.lacks: list[Problem] = []
        self.refusal: Exception | None = None
        self.builds_started = 0
        self.stubborn: set[int] = set()
        self.undying: set[int] = set()
        self.half_made: list[str] = []
        self.removed_from: dict[str, str] = {}
        self.lingering: set[str] = set()
        self.sizes: dict[str, ProjectSize] = {}
        self.damaged: set[str] = set()
        self.place = ""
        self.withheld: Exception | None = None
        self.volumes: set[str] = set()
        self.kept_aside: dict[str, str] = {}
        self.marked: list[Inventory] = []
        self.others: list[str] = []
        self.files: PersonFiles | Exception = FilesHere(Browser({}, lambda _folder, _name: None))
        self.slow: dict[int, tuple[str, str]] = {}

    # --- what a test tells it ---
    def say(self, build_id: int, text: str, phase: str = "building") -> None:
        self.output.setdefault(build_id, []).append((phase, text))

    def finish(self, build_id: int, code: str = "", message: str = "") -> BuildReport:
        if not code:
            self.kept_images[self.started_builds[build_id].image] = 1_000_000_000
        report = BuildReport(
            build_id, finished=True, code=code, message=message, buildpack="Python"
        )
        self.build_reports[build_id] = report
        return report

    def answer(self, session_id: int) -> ServerReport:
        address = f"unix:/run/{session_id}"
        return self._report(session_id, "ready", address=address, node="node-1")

    def vanish(self, session_id: int, code: str = "", message: str = "") -> ServerReport:
        return self._report(session_id, "gone", code=code, message=message)

    def _report(self, session_id: int, state: str, **rest: Any) -> ServerReport:
        known = self.server_reports.get(session_id) or self.started_servers[session_id]
        report = ServerReport(session_id, known.name, state, **rest)
        self.server_reports[session_id] = report
        return report

    def wait(self, build_id: int, code: str, message: str) -> BuildReport:
        report = BuildReport(build_id, code=code, message=message)
        self.build_reports[build_id] = report
        return report

    # --- the seam ---
    def problems(self) -> list[Problem]:
        return self.troubles

    def check_access(self) -> list[Problem]:
        return self.lacks

    def examine(self) -> Iterator[Problem]:
        yield from ()

    def capacity(self) -> Capacity | None:
        if self.refusal:
            raise self.refusal
        return self.there_is

    def prepare(self) -> None:
        pass

    def warm_up(self) -> None:
        pass

    def installation(self) -> str:
        if self.withheld:
            raise self.withheld
        return self.place

    def ensure_installation(self, installation_id: str) -> str:
        self.place = self.place or installation_id
        return self.place

    def inventory(self) -> Inventory:
        names = {server.name for server in self.server_reports.values()}
        return Inventory(
            projects=frozenset(self.kept_projects | names),
            volumes=frozenset(self.volumes),
            sessions=frozenset(self.server_reports),
            builds=frozenset(self.build_reports),
        )

    def foreign(self) -> list[str]:
        return self.others

    def assign_installation(self, known: Inventory) -> None:
        self.marked.append(known)

    def set_aside(self, name: str) -> None:
        if name in self.kept_projects:
            self.kept_projects.discard(name)
            self.kept_aside[f"{name}.{len(self.kept_aside)}"] = name

    def set_aside_items(self) -> list[SetAsideItem]:
        return [SetAsideItem(id_, name) for id_, name in self.kept_aside.items()]

    def set_aside_size(self, item_id: str) -> int | None:
        return 1_000 if item_id in self.kept_aside else None

    def put_back(self, item_id: str) -> None:
        if item_id in self.kept_aside:
            if self.kept_aside[item_id] in self.kept_projects:
                raise StateConflict("aside.taken", "It now has a folder.")
            self.kept_projects.add(self.kept_aside.pop(item_id))

    def remove_set_aside(self, item_id: str) -> None:
        self.kept_aside.pop(item_id, None)

    def has_image(self, image: str) -> bool:
        return image in self.kept_images

    def is_damaged(self, image: str) -> bool:
        return image in self.damaged

    def images(self) -> list[Image]:
        return [Image(name, size) for name, size in self.kept_images.items()]

    def image_size(self, image: str) -> int | None:
        return self.kept_images.get(image)

    def remove_image(self, image: str) -> None:
        if self.keeps_images:
            raise self.keeps_images
        size = self.kept_images.pop(image, None) or 0
        if self.there_is and self.there_is.disk_free_gb is not None:
            free = self.there_is.disk_free_gb + size / 1e9
            self.there_is = replace(self.there_is, disk_free_gb=free)

    def ensure_build(self, spec: BuildSpec) -> None:
        if self.refusal:
            raise self.refusal
        if spec.id not in self.build_reports:
            self.builds_started += 1
            self.started_builds[spec.id] = spec
            self.build_reports[spec.id] = BuildReport(spec.id)

    def cancel_build(self, build_id: int) -> None:
        if build_id in self.build_reports and build_id not in self.stubborn:
            self.build_reports[build_id] = BuildReport(build_id, finished=True, code="cancelled")

    def forget_build(self, build_id: int) -> None:
        self.build_reports.pop(build_id, None)
        self.output.pop(build_id, None)

    def read_log(self, build_id: int, position: str) -> LogLines | None:
        place = int(position or 0)
        pieces = self.output.get(build_id, [])[place:]
        return LogLines(*pieces[0], str(place + 1)) if pieces else None

    def ensure_server(self, spec: ServerSpec) -> None:
        if self.refusal:
            raise self.refusal
        self.kept_projects.add(spec.name)
        if spec.id not in self.server_reports:
            self.started_servers[spec.id] = spec
            self.server_reports[spec.id] = ServerReport(spec.id, spec.name, "starting")

    def remove_server(self, session_id: int) -> None:
        report = self.server_reports.get(session_id)
        if report and report.state != "gone" and session_id not in self.stubborn:
            self.vanish(session_id)

    def kill_server(self, session_id: int) -> None:
        if session_id in self.server_reports and session_id not in self.undying:
            self.vanish(session_id)

    def forget_server(self, session_id: int) -> None:
        self.server_reports.pop(session_id, None)

    def why_slow(self, session_id: int, seconds: float) -> tuple[str, str]:
        return self.slow.get(session_id, ("spawn.timeout", f"No answer within {seconds:g} s."))

    def renew_identity(self, volume: str, identity: SshIdentity) -> None:
        self.identities[volume] = identity

    def forget_identity(self, volume: str) -> None:
        self.identities.pop(volume, None)

    def adopt_volume(self, volume: str, owner_id: int) -> bool:
        return self.foreign_volumes.pop(volume, None) is not None

    def remove_project(self, name: str, volume: str = "") -> bool:
        self.kept_projects.discard(name)
        self.removed_from[name] = volume or self.removed_from.get(name, "")
        return name not in self.lingering

    def open_files(self, name: str, volume: str) -> PersonFiles:
        if isinstance(self.files, Exception):
            raise self.files
        return self.files

    def measure_project(self, name: str, volume: str) -> ProjectSize | None:
        return self.sizes.get(name)

    def builds(self) -> list[BuildReport]:
        return list(self.build_reports.values())

    def servers(self) -> list[ServerReport]:
        return list(self.server_reports.values())

    def projects(self) -> list[str]:
        return sorted(self.kept_projects)

    def sweep(self) -> list[str]:
        found, self.half_made = self.half_made, []
        return found

    def changes(self) -> Iterator[BuildReport | ServerReport | None]:
        yield from (*self.builds(), *self.servers(), None)
