"""Keepers that are killed at any moment: builds are found and finished, homes are whole."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from sessions.backends import BuildSpec
from sessions.backends.local import LocalBackend, environments, keeper_processes
from sessions.backends.local.keeper import files, jobs, status
from sessions.backends.local.keeper.jupyter import SOCKET
from sessions.backends.local.keeper.privileges import CAP_CHOWN, CAP_FOWNER
from sessions.backends.local.orphans import sweep
from sessions.lifecycle import observations, steps
from sessions.models import Build
from sessions.states import BuildState
from tests.backends.waiting import build_report, built, finished, log, removed, settled, until
from tests.processes import command

pytestmark = pytest.mark.slow("builds and notebooks are started and killed", seconds=240)

SEED = random.randrange(10**6)
LINKERS_RIGHTS = f"CapEff:\t{1 << CAP_CHOWN | 1 << CAP_FOWNER:016x}"


def kill(backend: LocalBackend, kind: str, number: int) -> None:
    """Kill the keeper, if there is one, as the machine does when memory is short."""
    found = status.read(backend.folders.keeper(kind, number))
    if found.pid and status.process_start_time(found.pid) == found.started:
        os.kill(found.pid, signal.SIGKILL)


def forget_how_it_ended(backend: LocalBackend, spec: BuildSpec) -> None:
    """Make it look as if the keeper had been killed before it could write its last status."""
    folder = backend.folders.keeper("build", spec.id)
    until(lambda: not keeper_processes.is_alive(folder))
    there = status.read(folder)
    status.write(folder, status.Status(pid=there.pid, started=there.started))


def test_a_finished_build_without_a_report_counts_as_built(backend, order):
    spec = order({"index.ipynb": "{}"})
    backend.ensure_build(spec)
    said = finished(backend, spec)
    forget_how_it_ended(backend, spec)
    assert build_report(backend, spec.id) == said
    backend.ensure_build(spec)
    assert build_report(backend, spec.id) == said
    backend.forget_build(spec.id)


def test_a_lost_build_is_not_taken_for_finished(backend, order):
    spec = order({"postBuild": "#!/bin/sh\nexit 3\n"})
    backend.ensure_build(spec)
    finished(backend, spec)
    forget_how_it_ended(backend, spec)
    assert build_report(backend, spec.id).code == "build.lost"
    backend.forget_build(spec.id)


def stopped_copy(folder: Path) -> int:
    """Stop the program that fills a build's environment, before or while it does; return its pid.

    It is the keeper's linker if the portal is root, and cp otherwise.
    """
    partial = Path(jobs.read(folder).partial)

    def found() -> int | None:
        keeper, _started = status.read_holder(folder)
        children = Path(f"/proc/{keeper}/task/{keeper}/children")
        pids = [int(pid) for pid in children.read_text().split()] if keeper else []
        return next((pid for pid in pids if copies(pid)), None)

    def copies(pid: int) -> bool:
        with suppress(OSError):
            rights = Path(f"/proc/{pid}/status").read_text()
            return LINKERS_RIGHTS in rights or command(pid).endswith(f" {partial}/env ")
        return False

    copying = until(found)
    os.kill(copying, signal.SIGSTOP)
    return copying


@pytest.mark.parametrize("how", ["kill", "cancel"])
def test_no_process_writes_into_a_build_that_has_ended(backend, order, how):
    built(backend, order({"index.ipynb": "{}"}))  # JupyterLab is there to be copied
    spec = order({"postBuild": "#!/bin/sh\n"})
    backend.ensure_build(spec)
    folder = backend.folders.keeper("build", spec.id)
    copying = stopped_copy(folder)
    until(lambda: "JupyterLab from an earlier build" in log(backend, spec.id), 60)
    if how == "kill":
        kill(backend, "build", spec.id)
    else:
        backend.cancel_build(spec.id)
    until(lambda: command(copying) == "", 20)
    assert finished(backend, spec).code == {"kill": "build.lost", "cancel": "build.cancelled"}[how]
    backend.forget_build(spec.id)


def test_a_build_killed_while_it_starts_jupyterlab_is_recovered(backend, order):
    spec = order({"postBuild": "#!/bin/sh\necho built\n"})
    backend.ensure_build(spec)
    socket = backend.folders.keeper("build", spec.id) / "io" / SOCKET
    until(socket.exists, 60)
    kill(backend, "build", spec.id)
    assert finished(backend, spec).code == "build.lost"
    backend.ensure_build(spec)
    assert finished(backend, spec).code == "", log(backend, spec.id)


@pytest.mark.parametrize("tries", [2, pytest.param(12, marks=pytest.mark.long)])
def test_a_build_killed_at_any_moment_is_recovered(backend, order, tries):
    choose = random.Random(SEED)
    spec = order({"postBuild": "#!/bin/sh\necho built\n", "index.ipynb": "{}"})
    began = time.monotonic()
    backend.ensure_build(spec)
    finished(backend, spec)
    whole = time.monotonic() - began
    for _try in range(tries):
        spec = order({"postBuild": "#!/bin/sh\necho built\n", "index.ipynb": "{}"})
        backend.ensure_build(spec)
        time.sleep(choose.uniform(0, whole))
        kill(backend, "build", spec.id)
        report = finished(backend, spec)
        assert report.code in {"", "build.lost"}, SEED
        assert backend.has_image(spec.image) == (report.code == ""), SEED
        backend.ensure_build(spec)
        assert finished(backend, spec).code == "", (SEED, log(backend, spec.id))
        assert backend.has_image(spec.image)
        backend.forget_build(spec.id)
        until(lambda: build_report(backend, spec.id) is None)  # noqa: B023  (called at once)
    sweep(backend.folders, min_age=0)
    left = [path.name for path in backend.folders.environments.glob(".*.partial")]
    assert left == []


def test_a_home_is_intact_whenever_its_keeper_is_killed(backend, order, wish):
    choose = random.Random(SEED)
    names = [f"f{number:03}" for number in range(300)]
    specs = [built(backend, order(dict.fromkeys(names, text))) for text in ("1", "2")]
    server = wish(specs[0])
    home = backend.folders.project(server.name) / "home"
    for number in range(8):
        spec = specs[number % 2]
        changes = {"id": server.id + 1000 * number, "image": spec.image, "commit": spec.commit}
        one = type(server)(**{**vars(server), **changes})
        backend.ensure_server(one)
        time.sleep(choose.uniform(0, 0.5))
        kill(backend, "server", one.id)
        removed(backend, one.id)
        if home.exists():
            found = {(home / name).read_text() for name in names if (home / name).exists()}
            assert found <= {"1", "2"}, SEED
    changes = {"id": server.id + 100_000, "image": specs[1].image, "commit": specs[1].commit}
    last = type(server)(**{**vars(server), **changes})
    backend.ensure_server(last)
    assert settled(backend, last).state == "ready"
    assert {(home / name).read_text() for name in names} == {"2"}, SEED
    assert not [path for path in home.iterdir() if ".from-" in path.name], SEED
    done = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", home, "status", "--porcelain", "-uno"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "")
    removed(backend, last.id)


def finished_folder(backend: LocalBackend, name: str, started: str | None) -> Path:
    """Make an environment that is marked as not on the disk since a start of the machine."""
    folder = backend.folders.environment(name)
    folder.mkdir()
    (folder / files.RESULT).write_text('{"pack": "venv"}')
    files.mark_unsynced(folder)
    if started:
        (folder / files.UNSYNCED_MARK).write_text(started)
    return folder


@pytest.mark.django_db
@pytest.mark.parametrize("is_keeper_known", [True, False])
def test_a_build_row_becomes_built_although_its_report_was_lost(backend, is_keeper_known):
    """Nothing may be left of the keeper, either: an earlier version forgot it then."""
    environment = finished_folder(backend, "finished-in-silence", None)
    known = {"url": "u", "commit": "1" * 40, "image": environment.name}
    build = Build.objects.create(pk=900_001, state=BuildState.BUILDING, **known)
    if is_keeper_known:
        folder = backend.folders.keeper("build", build.pk)
        folder.mkdir()
        (folder / jobs.FILE).write_text(json.dumps({"environment": str(environment)}))
        status.write(folder, status.Status(pid=1))
    for _minute in range(3):
        for report in backend.builds():
            observations.handle_build_report(report)
        steps.start_build(build.pk)
    build.refresh_from_db()
    assert (build.state, build.pack) == (BuildState.BUILT, "venv")
    assert build_report(backend, build.pk) is None
    assert backend.has_image(environment.name)


def test_an_unsynced_environment_is_not_used_after_a_power_cut(backend):
    folder = finished_folder(backend, "lost-in-the-dark", "another start of the machine")
    assert environments.read_result(folder) is None
    assert not backend.has_image(folder.name)
    assert folder.name not in {image.name for image in backend.images()}
    assert folder.name in backend.sweep()
    assert not folder.exists()


def test_the_sweep_syncs_finished_environments_to_disk(backend):
    folder = finished_folder(backend, "soon-on-the-disk", None)
    assert backend.has_image(folder.name)
    assert folder.name not in backend.sweep()
    assert not (folder / files.UNSYNCED_MARK).exists()
    assert backend.has_image(folder.name)
    backend.remove_image(folder.name)
