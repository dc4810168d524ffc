"""Keepers live and end by themselves: what happens when they, the portal or the machine die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sessions.backends import BuildReport, ServerReport
from sessions.backends.local import LocalBackend
from sessions.backends.local.keeper import status, usage
from sessions.backends.local.orphans import sweep
from sessions.errors import TemporaryError
from tests.backends.inside import START, Inside
from tests.backends.waiting import (
    ask,
    build_report,
    built,
    finished,
    log,
    removed,
    server_report,
    settled,
    until,
)
from tests.processes import SLEEP, command, sleepers, touching

pytestmark = pytest.mark.slow("builds and notebooks, and what becomes of them", seconds=150)

WAITING = {"postBuild": f"#!/bin/sh\necho ready\nsleep {SLEEP}\n"}


def keeper(backend: LocalBackend, kind: str, number: int) -> status.Status:
    return status.read(backend.folders.keeper(kind, number))


def test_a_keeper_is_detached_and_has_dropped_all_privileges(inside: Inside):
    server = inside.start("")
    settled(inside.backend, server)
    pid = keeper(inside.backend, "server", server.id).pid
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    parent, session = int(words[1]), int(words[3])
    assert parent != os.getpid()
    assert session != os.getsid(0)
    text = Path(f"/proc/{pid}/status").read_text()
    fields = dict(line.split(":\t", 1) for line in text.splitlines())
    assert "0" not in fields["Uid"].split() + fields["Gid"].split()
    assert fields["Groups"].strip() in {"", *fields["Gid"].split()}
    assert fields["NoNewPrivs"] == "1"
    assert int(fields["CapEff"], 16) == int(fields["CapPrm"], 16) == 0


def test_another_process_of_the_portal_sees_running_notebooks(inside: Inside):
    server = inside.start("")
    ready = settled(inside.backend, server)
    assert server_report(LocalBackend(), server.id) == ready
    removed(LocalBackend(), server.id)


def test_a_notebook_ends_with_its_killed_keeper_and_is_reported_lost(inside: Inside):
    server = inside.start(f"import subprocess; subprocess.Popen(['sleep', '{SLEEP}'])")
    assert settled(inside.backend, server).state == "ready"
    assert len(sleepers()) == 1
    os.kill(keeper(inside.backend, "server", server.id).pid, signal.SIGKILL)
    until(lambda: server_report(inside.backend, server.id).state == "gone")
    report = server_report(inside.backend, server.id)
    assert (report.code, bool(report.message)) == ("spawn.lost", True)
    until(lambda: not sleepers(), 20)


def test_a_notebook_whose_keeper_hangs_can_be_killed_completely(inside: Inside):
    server = inside.start(f"import subprocess; subprocess.Popen(['sleep', '{SLEEP}'])")
    assert settled(inside.backend, server).state == "ready"
    os.kill(keeper(inside.backend, "server", server.id).pid, signal.SIGSTOP)
    inside.backend.remove_server(server.id)
    assert server_report(inside.backend, server.id).state == "ready"
    inside.backend.kill_server(server.id)
    until(lambda: server_report(inside.backend, server.id).state == "gone", 20)
    assert server_report(inside.backend, server.id).code == ""
    until(lambda: not sleepers(), 20)


@pytest.mark.parametrize("how", ["asked to end", "killed"])
def test_a_notebook_removed_while_its_sandbox_starts_leaves_nothing(
    inside: Inside, how: str, data: Path
):
    for _try in range(8):
        server = inside.start("")
        there = keeping(inside.backend, server.id)
        while not sandbox(there):
            time.sleep(0.001)
        if how == "killed":
            os.kill(there, signal.SIGKILL)
        removed(inside.backend, server.id)
    until(lambda: not [pid for pid in touching(data) if "bwrap" in command(pid)], 20)


def test_a_sandbox_unknown_to_its_stopped_keeper_leaves_nothing(inside: Inside):
    for _try in range(8):
        server = inside.start("")
        there = keeping(inside.backend, server.id)
        while not (outside := sandbox(there)):
            os.kill(there, signal.SIGCONT)
            while not any(usage.children(there)):
                pass
            os.kill(there, signal.SIGSTOP)
        (made,) = until(lambda: list(usage.children(outside)), 20)
        inside.backend.remove_server(server.id)
        os.kill(there, signal.SIGCONT)
        removed(inside.backend, server.id)
        until(lambda: "bwrap" not in command(made), 20)  # noqa: B023  (called at once)


def keeping(backend: LocalBackend, number: int) -> int:
    """Return the pid of a notebook's keeper, once the keeper has written it down."""
    while not (found := keeper(backend, "server", number).pid):
        time.sleep(0.001)
    return found


def sandbox(keeper: int) -> int:
    """Return the pid of the sandbox that a keeper has just started; 0 if there is none."""
    found = (pid for pid in usage.children(keeper) if command(pid).startswith("bwrap"))
    return next(found, 0)


def test_forgetting_a_build_kills_its_hanging_keeper(backend, order):
    spec = order(WAITING)
    backend.ensure_build(spec)
    until(lambda: "ready\n" in log(backend, spec.id))
    os.kill(keeper(backend, "build", spec.id).pid, signal.SIGSTOP)
    backend.cancel_build(spec.id)
    assert not build_report(backend, spec.id).finished
    backend.forget_build(spec.id)
    until(lambda: not sleepers(), 20)
    partial = backend.folders.partial(spec.image, spec.id)
    assert partial.name not in sweep(backend.folders)  # somebody may be about to take it over
    until(lambda: partial.name in sweep(backend.folders, min_age=0), 20)
    assert not partial.exists()


def test_a_build_that_floods_its_log_can_be_cancelled(backend, order):
    for _try in range(3):
        spec = order({"postBuild": "#!/bin/sh\nyes $(seq 300)\n"})
        backend.ensure_build(spec)
        far = "1000000:build"
        until(lambda: backend.read_log(spec.id, far))  # noqa: B023  (called at once)
        backend.cancel_build(spec.id)
        assert finished(backend, spec).code == "build.cancelled"


def test_the_sweep_leaves_a_running_build_alone(backend, order):
    spec = order(WAITING)
    backend.ensure_build(spec)
    until(lambda: "ready\n" in log(backend, spec.id))
    partial = backend.folders.partial(spec.image, spec.id)
    assert partial.exists() and partial.name not in sweep(backend.folders, min_age=0)
    backend.cancel_build(spec.id)
    assert finished(backend, spec).code == "build.cancelled"


def test_a_lost_notebook_appears_among_the_changes(inside: Inside):
    server = inside.start("")
    assert settled(inside.backend, server).state == "ready"
    changes = inside.backend.changes()
    assert server.id in [change.id for change in _until_none(changes)]
    os.kill(keeper(inside.backend, "server", server.id).pid, signal.SIGKILL)
    told = (change.code for change in changes if change and change.id == server.id)
    assert next(code for code in told if code) == "spawn.lost"


def _until_none(changes) -> list[BuildReport | ServerReport]:
    found = []
    for change in changes:
        if change is None:
            break
        found.append(change)
    return found


def test_a_lost_build_is_restarted_and_its_log_continues(backend, order):
    spec = order(WAITING)
    backend.ensure_build(spec)
    until(lambda: "ready\n" in log(backend, spec.id))
    before, position = "", ""
    while piece := backend.read_log(spec.id, position):
        before, position = before + piece.text, piece.position
    os.kill(keeper(backend, "build", spec.id).pid, signal.SIGKILL)
    assert finished(backend, spec).code == "build.lost"
    backend.ensure_build(spec)
    until(lambda: "ready\n" in log(backend, spec.id, position))
    assert not build_report(backend, spec.id).finished
    assert log(backend, spec.id).startswith(before)
    until(lambda: len(sleepers()) == 1)  # begun after it said so, while the lost one's ends


def test_a_keeper_ends_when_told_whatever_is_in_its_files(backend, order):
    damage = [
        (status.FILE, b"\xff{"),
        (status.FILE, b'{"pid": 123456789012345678901234567890}'),
        (status.LOCK, b""),  # as keepers of earlier versions left it
    ]
    specs = [order(WAITING) for _each in damage]
    for spec in specs:
        backend.ensure_build(spec)
    until(lambda: len(sleepers()) == len(specs))
    for spec, (file, content) in zip(specs, damage, strict=True):
        (backend.folders.keeper("build", spec.id) / file).write_bytes(content)
    backend.forget_build(specs[0].id)
    for spec in specs[1:]:
        backend.cancel_build(spec.id)
    until(lambda: not sleepers(), 20)


def test_a_build_terminated_by_the_machine_is_lost_not_cancelled(backend, order):
    spec = order(WAITING)
    backend.ensure_build(spec)
    until(lambda: "ready\n" in log(backend, spec.id))
    os.kill(keeper(backend, "build", spec.id).pid, signal.SIGTERM)
    assert finished(backend, spec).code == "build.lost"
    assert not backend.folders.partial(spec.image, spec.id).exists()


def test_a_keeper_needs_nothing_but_the_standard_library():
    root = Path(__file__).parents[2]
    program = (
        f"import sys; sys.path[:0] = [{str(root / 'sessions/backends/local')!r}, {str(root)!r}];"
        "import keeper.main; print(*(name.partition('.')[0] for name in sys.modules))"
    )
    words = [sys.executable, "-I", "-S", "-c", program]
    loaded = set(subprocess.run(words, capture_output=True, text=True, check=True).stdout.split())
    assert loaded - sys.stdlib_module_names <= {"__main__", "keeper", "sessions"}


def test_no_signal_hits_a_process_that_reuses_the_pid(backend, order):
    folder = backend.folders.keeper("build", 4711)
    folder.mkdir()
    status.write(folder, status.Status(pid=os.getpid(), started=1))
    backend.cancel_build(4711)
    backend.forget_build(4711)


def test_checking_a_lock_does_not_take_it(tmp_path: Path):
    path = tmp_path / "lock"
    assert not status.is_locked(path)
    held = status.acquire_lock(path)
    assert held is not None
    assert status.is_locked(path) and status.is_locked(path)
    assert status.acquire_lock(path) is None
    os.close(held)
    assert not status.is_locked(path)


def test_a_projects_files_survive_a_restart(inside: Inside):
    first = inside.start("open('/home/jovyan/mine', 'w').write('mine')")
    until((inside.volume(first) / "done").exists)
    removed(inside.backend, first.id)
    program = "print(open('/home/jovyan/mine').read())"
    second = type(first)(**{**vars(first), "id": first.id + 100_000})
    (inside.volume(first) / "probe.py").write_text(program)
    (inside.volume(first) / "done").unlink()
    inside.backend.ensure_server(second)
    until((inside.volume(first) / "done").exists)
    assert (inside.volume(first) / "output").read_text() == "mine\n"
    removed(inside.backend, second.id)
    inside.backend.remove_project(first.name)
    assert inside.volume(first).exists()


def test_a_new_commit_is_merged_and_the_result_is_reported(inside: Inside, order, git):
    first = inside.start("open('/home/jovyan/index.ipynb', 'w').write('mine')")
    until((inside.volume(first) / "done").exists)
    assert settled(inside.backend, first).files.message == ""
    removed(inside.backend, first.id)
    newer = built(inside.backend, order({"start": START, "index.ipynb": "[]", "new": "new"}))
    changes = {"id": first.id + 100_000, "image": newer.image, "commit": newer.commit}
    second = type(first)(**{**vars(first), **changes})
    (inside.volume(first) / "probe.py").write_text("")
    inside.backend.ensure_server(second)
    report = settled(inside.backend, second)
    assert ask(report.address, "/api/contents/new?content=0", second.token)[0] == 200
    home = inside.backend.folders.project(first.name) / "home"
    beside = f"index.from-{newer.commit[:7]}.ipynb"
    assert (home / "index.ipynb").read_text() == "mine"
    assert (home / beside).read_text() == "[]"
    assert beside in report.files.message
    removed(inside.backend, second.id)


def test_packages_installed_by_the_person_can_be_imported(inside: Inside):
    output = inside.output("""
import os
folder = "/home/jovyan/.local/lib/python3.%d/site-packages" % __import__("sys").version_info[1]
open(folder + "/installed_by_me.py", "w").close()
import installed_by_me
print(os.environ["PIP_PREFIX"])
""")
    assert output == "/home/jovyan/.local\n"


@pytest.mark.usefixtures("backend")
def test_nothing_is_started_without_a_sandbox(data: Path, order, monkeypatch):
    folder = data / "programs"
    folder.mkdir()
    (folder / "bwrap").write_text("#!/bin/sh\necho no namespaces here >&2; exit 1\n")
    (folder / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    backend = LocalBackend()
    spec = order({"README": ""})
    (problem,) = backend.problems()
    assert problem.id == "local.no-sandbox"
    with pytest.raises(TemporaryError) as refused:
        backend.ensure_build(spec)
    assert refused.value.code == "local.no-sandbox"
    assert build_report(backend, spec.id) is None
