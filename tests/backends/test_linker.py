"""Environments share the files of their base as links, and only settings and scripts are copies."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sessions.backends.local.keeper import linker
from sessions.backends.local.keeper.files import remove
from tests import scratch

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")

BUILDER = 65_533


@pytest.fixture
def base() -> Iterator[Path]:
    """A small environment of a builder's, with a file of each kind."""
    folder = scratch.folder()
    top = folder / "base"
    for name in ("lib/package", "lib/empty", "etc/jupyter", "share/jupyter/lab/static", "bin"):
        (top / name).mkdir(parents=True)
    for name in ("lib/package/a.py", "etc/jupyter/b.json", "share/jupyter/lab/static/c.js", "d"):
        (top / name).write_text(name)
    (top / ".lock").touch()
    (top / ".lock").chmod(0o666)
    (top / "lib/package/a.py").chmod(0o666)
    (top / "bin/run").write_text("#!/bin/sh\n")
    (top / "bin/run").chmod(0o755)
    (top / "lib64").symlink_to("lib")
    (top / "lib/nowhere").symlink_to("/nowhere")
    for path in (*top.rglob("*"), top):
        os.chown(path, BUILDER, BUILDER, follow_symlinks=False)
        if not path.is_symlink():
            os.utime(path, (1_700_000_000, 1_700_000_000))
    yield top
    remove(folder)


@pytest.fixture
def environment(base: Path) -> Path:
    """The folder of a build, which the builder owns as in a keeper."""
    partial = base.parent / "partial"
    partial.mkdir()
    os.chown(partial, BUILDER, BUILDER)
    return partial / "env"


@pytest.fixture
def process() -> Iterator[linker.Linker]:
    started = linker.start(BUILDER)
    assert started
    yield started
    started.end()


def kind(path: Path) -> tuple[int, int, int]:
    found = path.lstat()
    return found.st_uid, stat.S_IMODE(found.st_mode), found.st_nlink


def test_packages_are_linked_and_all_else_is_copied(base, environment, process):
    asyncio.run(process.link(base, environment))
    paths = {str(path.relative_to(base)) for path in base.rglob("*")}
    assert {str(path.relative_to(environment)) for path in environment.rglob("*")} == paths
    assert (environment / "lib64").readlink() == Path("lib")
    assert (environment / "lib/nowhere").readlink() == Path("/nowhere")
    assert kind(environment / "lib/package/a.py") == (0, 0o644, 2)
    assert kind(environment / "share/jupyter/lab/static/c.js") == (0, 0o644, 2)
    for name, mode in ((".lock", 0o666), ("etc/jupyter/b.json", 0o644), ("bin/run", 0o755)):
        assert kind(environment / name) == (BUILDER, mode, 1)
    assert (environment / "etc/jupyter/b.json").read_text() == "etc/jupyter/b.json"


def test_folders_are_the_builds_own_and_keep_their_times(base, environment, process):
    """Files newer than the base are compiled, so times count."""
    asyncio.run(process.link(base, environment))
    for path in (environment, *(each for each in environment.rglob("*") if not each.is_symlink())):
        assert path.stat().st_mtime == 1_700_000_000
        if path.is_dir():
            assert path.stat().st_uid == BUILDER


def test_further_environments_are_linked_to_the_same_files(base, environment, process):
    other = environment.with_name("other")
    for target in (environment, other):
        asyncio.run(process.link(base, target))
    assert (other / "lib/package/a.py").samefile(environment / "lib/package/a.py")
    assert kind(other / "lib/package/a.py") == (0, 0o644, 3)


def test_the_process_has_two_privileges_and_no_more(base, environment, process):
    asyncio.run(process.link(base, environment))  # so it has given up the others
    rights = {
        name: value.strip()
        for name, _colon, value in (line.partition(":") for line in status(process).splitlines())
    }
    assert rights["Uid"].split() == rights["Gid"].split() == [str(BUILDER)] * 4
    chown_and_fowner = f"{1 << 0 | 1 << 3:016x}"
    assert rights["CapEff"] == rights["CapPrm"] == chown_and_fowner
    assert rights["CapInh"] == rights["CapAmb"] == f"{0:016x}"
    assert rights["Groups"] == ""
    assert rights["NoNewPrivs"] == "1"
    assert len(os.listdir(f"/proc/{process._pid}/fd")) == 4  # standard streams and the socket


def status(process: linker.Linker) -> str:
    return Path(f"/proc/{process._pid}/status").read_text()


def test_an_error_is_reported_and_the_process_goes_on(base, environment, process):
    with pytest.raises(FileNotFoundError):
        asyncio.run(process.link(base / "missing", environment))
    asyncio.run(process.link(base, environment))
    assert (environment / "d").read_text() == "d"


def test_files_are_copied_to_another_disk(base, process):
    disks = (Path(name) for name in ("/dev/shm", "/tmp"))
    disk = next(path for path in disks if path.stat().st_dev != base.stat().st_dev)
    folder = Path(tempfile.mkdtemp(dir=disk))
    try:
        os.chown(folder, BUILDER, BUILDER)
        with pytest.raises(OSError, match="Invalid cross-device link"):
            asyncio.run(process.link(base, folder / "env"))
        asyncio.run(linker.duplicate(process, base, folder / "env"))
        assert (folder / "env/lib/package/a.py").stat().st_nlink == 1
        assert (folder / "env/etc/jupyter/b.json").read_text() == "etc/jupyter/b.json"
    finally:
        remove(folder)


def test_nothing_is_linked_any_more_once_it_is_cancelled(base, environment, process):
    async def cancel() -> None:
        os.kill(process._pid, signal.SIGSTOP)  # in the middle of its work
        work = asyncio.create_task(process.link(base, environment))
        await asyncio.sleep(0)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    asyncio.run(cancel())
    assert not Path(f"/proc/{process._pid}").exists()


def test_an_ordinary_user_has_no_such_process(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert linker.start(1000) is None
