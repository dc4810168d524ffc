"""Changes in the run folders reach watch, whatever notebooks write, and without inotify too."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sessions.backends import BuildReport
from sessions.backends.local.keeper import log, status
from sessions.backends.local.reports import Changes
from tests.backends.waiting import until

WITHOUT_INOTIFY = """
import django, os, sys
from pathlib import Path
django.setup()
from sessions.backends.local.keeper import privileges
uid, gid = os.getuid(), os.getgid()
privileges._check_result(privileges._libc.unshare(0x10000000))
Path("/proc/self/setgroups").write_text("deny")
Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
Path("/proc/sys/user/max_inotify_instances").write_text("0")
from sessions.backends import BuildReport
from sessions.backends.local.reports import Changes
run = Path(sys.argv[1])
told = iter(Changes(run))
assert (next(told), next(told)) == (BuildReport(7), None)
while next(told) is not None:
    pass  # a look, by which the log is known
with (run / "build-7/log").open("a") as file:
    file.write("one more line")
assert next(told) == BuildReport(7)
print("seen")
"""


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Path]:
    """The folder of the runs, with a build in it whose lock is held, as by its keeper."""
    run = tmp_path / "run"
    (run / "build-7").mkdir(parents=True)
    (run / "build-7" / log.FILE).touch()
    lock = status.acquire_lock(run / "build-7" / status.LOCK)
    assert lock
    yield run
    os.close(lock)


@pytest.fixture
def told(run: Path) -> Iterator[list[object]]:
    """All changes that are reported, collected in a thread of its own."""
    found: list[object] = []

    def collect() -> None:
        for report in Changes(run):
            found.append(report)
            if len(found) > 1 and not run.joinpath("build-7").exists():
                return

    thread = threading.Thread(target=collect)
    thread.start()
    until(lambda: None in found, 10)
    yield found
    shutil.rmtree(run / "build-7")
    thread.join(10)


def told_of(run: Path, told: list[object], name: str) -> None:
    before = told.count(BuildReport(7))
    with (run / name / log.FILE).open("a") as file:
        file.write("a line")
    until(lambda: told.count(BuildReport(7)) > before, 10)


def watches() -> int:
    """Return how many folders and files this process has the kernel watch."""
    count = 0
    for path in Path("/proc/self/fdinfo").iterdir():
        try:
            count += path.read_text().count("inotify wd:")
        except FileNotFoundError:
            continue
    return count


def test_a_growing_log_is_reported(run: Path, told: list[object]):
    until(lambda: watches() >= 2, 10)
    told_of(run, told, "build-7")


def test_folders_created_by_a_notebook_are_not_watched(run: Path, told: list[object]):
    until(lambda: watches() >= 2, 10)
    before = watches()
    (run / "server-8" / "io").mkdir(parents=True)
    until(lambda: watches() == before + 1, 10)
    for number in range(300):
        (run / "server-8" / "io" / str(number)).mkdir()
    told_of(run, told, "build-7")
    assert watches() == before + 1
    for number in range(300):
        (run / "server-8" / "io" / str(number)).rmdir()
    (run / "server-8" / "io").rmdir()
    (run / "server-8").rmdir()


@pytest.mark.slow("where nothing is told, it looks each second")
def test_changes_are_polled_each_second_without_inotify(run: Path):
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_INOTIFY, str(run)], capture_output=True, text=True,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "portal.settings"}, timeout=20,
    )  # fmt: skip
    assert done.stdout == "seen\n", done
