"""Changes that watch gets from a cluster: builds, their lines as they come, and notebooks."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from sessions.backends import BuildReport, ServerReport
from sessions.backends.kubernetes import KubernetesBackend, serverpod
from sessions.backends.kubernetes.buildpod import STAGES
from sessions.backends.kubernetes.homes import program
from sessions.errors import TemporaryError
from tests.kubernetes.apiserver import BREAK, END
from tests.kubernetes.test_build_reports import DONE, RUNS, WAITS, ended
from tests.kubernetes.things import BARE, BUILD, SERVER
from tests.threadserver import ThreadServer

pytestmark = pytest.mark.servers

Report = BuildReport | ServerReport
DIGEST = "sha256:" + "d" * 64


def line(number: int, text: str = "") -> bytes:
    return f"2026-01-01T12:00:{number:02}.000000000Z {number} {text or number}".encode()


class Watch:
    """Goes through the changes, and reads a build's new output each time one is reported."""

    def __init__(self, backend: KubernetesBackend) -> None:
        self.backend = backend
        self.reports: list[Report] = []
        self.lines: list[str] = []
        self.phases: list[str] = []
        self.position = ""
        self._changes = backend.changes()

    def until(self, what: Callable[[], Any], seconds: int = 15) -> None:
        left = seconds
        while not what():
            change = next(self._changes)
            if change is None:
                left -= 1
                assert left, (self.reports, self.lines)
                continue
            self.reports.append(change)
            if isinstance(change, BuildReport):
                self._read(change.id)

    def pass_by(self, seconds: int) -> None:
        """Continue for this many seconds, whatever is reported."""
        while seconds:
            change = next(self._changes)
            seconds -= change is None
            if isinstance(change, BuildReport):
                self._read(change.id)

    def _read(self, build_id: int) -> None:
        while piece := self.backend.read_log(build_id, self.position):
            self.lines += piece.text.splitlines()
            self.phases.append(piece.phase)
            self.position = piece.position

    def close(self) -> None:
        self._changes.close()  # type: ignore[attr-defined]


@pytest.fixture
def backend(settings, cluster) -> KubernetesBackend:
    backend = KubernetesBackend()
    backend.site = replace(BARE, namespace="test")
    backend._cluster = cluster
    return backend


@pytest.fixture
def watch(api, backend) -> Iterator[Watch]:
    watch = Watch(backend)
    yield watch
    watch.close()
    api.let_go()
    for reflector in vars(backend._changes).values():
        if hasattr(reflector, "stop") and reflector._thread.is_alive():
            reflector._thread.join(10)


@pytest.fixture
def build(api, backend) -> Callable[..., None]:
    """Return a function that makes the build's pod, or moves its containers on."""
    backend.ensure_build(BUILD)

    def build(*states: Any, phase: str = "Pending") -> None:
        pod = api.things["pods"]["build-7"]
        statuses = [{"name": name, "state": each} for name, each in zip(STAGES, states)]  # noqa: B905
        status = {
            "phase": phase,
            "initContainerStatuses": statuses[:4],
            "containerStatuses": statuses[4:],
        }
        api.put("pods", {**pod, "spec": {**pod["spec"], "nodeName": "node"}, "status": status})

    return build


def test_a_build_is_followed_from_its_first_line_to_its_digest(api, watch, build):
    build(RUNS)
    api.log("build-7", "fetch", line(1), line(2))
    watch.until(lambda: watch.lines == ["1", "2"])
    api.log("build-7", "fetch", line(3))
    watch.until(lambda: watch.lines == ["1", "2", "3"])
    api.log("build-7", "fetch", END)
    for stage in range(1, 5):
        api.log("build-7", STAGES[stage], line(1, STAGES[stage]), END)
    build(DONE, DONE, DONE, DONE, ended({"digest": DIGEST}), phase="Succeeded")
    watch.until(lambda: watch.lines[-1] == "push" and watch.reports[-1].finished)
    assert watch.lines == ["1", "2", "3", "plan", "pull", "build", "push"]
    assert watch.phases[-4:] == ["building", "building", "building", "pushing"]
    assert watch.reports[-1] == BuildReport(7, True, digest=DIGEST)


def test_lines_arrive_once_and_in_order_although_streams_break(api, watch, build):
    build(RUNS)
    for number in range(1, 10):
        api.log("build-7", "fetch", line(number), *([BREAK] if number % 3 == 0 else []))
    api.log("build-7", "fetch", line(10))
    watch.until(lambda: len(watch.lines) >= 10)
    assert watch.lines == [str(number) for number in range(1, 11)]


def test_lines_that_the_cluster_has_lost_are_noted(api, watch, build):
    for stage in STAGES:
        api.log("build-7", stage, line(1, stage), END)
    of_three, of_one = ended({"lines": "3"}), ended({"lines": "1"})
    build(of_three, of_one, DONE, DONE, ended({"digest": DIGEST, "lines": "2"}), phase="Succeeded")
    watch.until(lambda: watch.reports)
    missing = "… 2 lines are missing here …", "… a line is missing here …"
    assert watch.lines == ["fetch", missing[0], "plan", "pull", "build", "push", missing[1]]


def test_the_end_of_a_log_is_waited_for_while_it_may_still_come(api, backend, build):
    just_now = datetime.now(UTC).isoformat()
    build(ended({"lines": "2"}, finishedAt=just_now), RUNS)
    api.log("build-7", "fetch", line(1), END)
    position = backend.read_log(7, "").position
    with pytest.raises(TemporaryError):
        backend.read_log(7, position)
    api.logs.clear()
    api.log("build-7", "fetch", line(1), line(2), END)
    assert backend.read_log(7, position).text == "2\n"


def test_the_end_of_a_log_is_not_waited_for_as_long_as_a_nodes_clock_is_ahead(api, backend, build):
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    build(ended({"lines": "1"}, finishedAt=tomorrow.isoformat()), RUNS)
    assert backend.read_log(7, "").text == "… a line is missing here …\n"


def test_lines_of_a_container_that_starts_late_arrive_at_once(api, watch, build):
    build(RUNS)
    api.log("build-7", "fetch", line(1), END)
    watch.until(lambda: watch.lines == ["1"])
    build(DONE, WAITS)
    watch.pass_by(1)
    api.log("build-7", "plan", line(1, "plan"))
    build(DONE, RUNS)
    watch.until(lambda: watch.lines == ["1", "plan"], 3)


def test_requests_for_an_unavailable_log_are_spaced_out(api, watch, build):
    build(RUNS)
    api.log("build-7", "fetch", *[BREAK] * 1000)
    watch.until(lambda: "GET pods/build-7/log" in api.asked)
    asked = len(api.asked)
    end = len(watch.lines)
    watch.pass_by(2)
    assert len(watch.lines) == end
    assert len(api.asked) - asked < 20


def test_a_build_whose_pod_vanishes_is_reported_as_lost(api, watch, build):
    build(RUNS)
    api.log("build-7", "fetch", line(1))
    watch.until(lambda: watch.lines == ["1"])
    api.drop("pods", "build-7")
    watch.until(lambda: watch.reports[-1].code == "build.lost")
    assert watch.reports[-1].finished


def test_a_build_whose_pod_vanished_between_watches_is_reported_as_lost(api, watch, build):
    build(RUNS)
    watch.until(lambda: watch.reports == [BuildReport(7)])
    api.drop("pods", "build-7")
    api.compact()
    api.hang_up()
    watch.until(lambda: watch.reports[-1].code == "build.lost")


def test_the_start_and_the_end_of_a_notebook_are_reported(api, watch, backend):
    backend.ensure_server(SERVER)
    watch.until(lambda: watch.reports)
    assert watch.reports == [ServerReport(9, SERVER.name, "starting")]
    name = f"{SERVER.name}-9"
    api.drop("pods", name)
    watch.until(lambda: watch.reports[-1].state == "gone")
    assert watch.reports[-1].code == "spawn.deleted"
    backend.remove_server(9)
    watch.until(lambda: watch.reports[-1].code == "")
    assert watch.reports[-1] == ServerReport(9, SERVER.name, "gone")
    backend.forget_server(9)
    assert not api.things["secrets"]


class Lab(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/api" else 404)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def lab() -> Iterator[str]:
    """The address of a loopback host on which JupyterLab answers, and no other process does."""
    host = ".".join(map(str, (0x7F800000 + os.getpid()).to_bytes(4)))
    with ThreadServer(Lab, host, serverpod.PORT):
        yield host


def test_a_notebook_is_ready_as_soon_as_it_answers(api, watch, backend, lab):
    backend.ensure_server(SERVER)
    watch.until(lambda: watch.reports)
    pod = api.things["pods"][f"{SERVER.name}-9"]
    api.put("pods", {**pod, "status": {"phase": "Running", "podIP": lab}})
    watch.until(lambda: watch.reports[-1].state == "ready")
    address = f"http://{lab}:8888"
    assert watch.reports[-1] == ServerReport(
        9, SERVER.name, "ready", address, uid=f"uid-{SERVER.name}-9"
    )
    api.drop("pods", pod["metadata"]["name"])
    watch.until(lambda: watch.reports[-1].state == "gone")
    assert watch.reports[-1].code == "spawn.deleted"


def test_a_notebook_is_created_once_and_never_after_its_removal(api, backend):
    for _time in range(2):
        backend.ensure_server(SERVER)
    name = f"{SERVER.name}-9"
    kinds = {kind: list(things) for kind, things in api.things.items() if things}
    shared = {"persistentvolumeclaims": ["ada-nfs-pvc"], "configmaps": [program.name()]}
    assert kinds == {**shared, "secrets": [name], "pods": [name]}
    backend.remove_server(9)
    assert not api.things["pods"]
    backend.ensure_server(SERVER)
    assert not api.things["pods"]
    backend.remove_project(SERVER.name)
    assert not api.things["secrets"]
    assert api.things["persistentvolumeclaims"]
