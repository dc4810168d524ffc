"""Where memory cgroups are made, on all kinds of machines, and what is written there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sessions.backends.local.keeper import cgroups

FIRST = """\
22 1 254:0 / / rw - ext4 /dev/vda rw
30 22 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
31 22 0:33 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
32 22 0:34 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""
SECOND = "30 22 0:32 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
CONTAINER = "30 22 0:32 /docker/f00 /sys/fs/cgroup ro,nosuid - cgroup cgroup rw,memory\n"


def bases(mounts: str, own: str) -> list[tuple[str, int]]:
    return [(str(path), version) for path, version in cgroups._parse_parent_groups(mounts, own)]


def test_version_1_is_used_if_it_controls_memory():
    own = "8:pids:/user\n4:cpu,memory:/user/ada\n0::/init\n"
    first, second, *_unified = bases(FIRST, own)
    assert first == ("/sys/fs/cgroup/memory/user/ada", 1)
    assert second == ("/sys/fs/cgroup/memory", 1)


def test_a_service_uses_its_own_group_or_the_root():
    assert bases(SECOND, "0::/system.slice/bindery.service\n") == [
        ("/sys/fs/cgroup/system.slice/bindery.service", 2),
        ("/sys/fs/cgroup", 2),
    ]


def test_a_service_with_delegation_uses_the_portals_parent_group():
    first, *_others = bases(SECOND, "0::/system.slice/bindery.service/portal\n")
    assert first == ("/sys/fs/cgroup/system.slice/bindery.service", 2)


def test_a_container_sees_its_own_group_as_the_root():
    for own in ("4:memory:/docker/f00\n", "4:memory:/\n"):
        assert bases(CONTAINER, own) == [("/sys/fs/cgroup", 1)]


def test_under_version_2_the_keeper_has_a_group_beside_the_sandbox(tmp_path: Path):
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n")
    (tmp_path / "cgroup.subtree_control").write_text("")
    run_folder = tmp_path / cgroups._name(Path("/data/run")) / "server-7"
    for folder in (run_folder, run_folder / "sandbox"):  # as a real one has it from the beginning
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cgroup.procs").touch()
    group = cgroups._create(tmp_path, 2, Path("/data/run/server-7"), 5_000, os.geteuid())
    mine = group.folder.parent
    assert (mine.name, mine.parent.parent) == ("server-7", tmp_path)
    assert (group.folder / "memory.max").read_text() == "5000"
    for folder in (tmp_path, mine, mine.parent):
        assert (folder / "cgroup.subtree_control").read_text() == "+memory"
    assert (mine / "keeper/cgroup.procs").read_text() == "0"
    assert group.oom_kills() == 0
    (group.folder / "memory.events").write_text("low 0\nmax 7\noom 3\noom_kill 2\n")
    assert group.oom_kills() == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands a group to somebody else")
@pytest.mark.parametrize("version", [1, 2])
def test_a_keeper_reaches_its_group_whatever_the_portals_umask_is(tmp_path: Path, version: int):
    (tmp_path / "cgroup.controllers").write_text("memory\n")
    (tmp_path / "cgroup.subtree_control").write_text("memory\n")
    mine = tmp_path / cgroups._name(Path("/data/run")) / "server-7"
    for folder in (mine, mine / "sandbox"):  # as the kernel makes them, with this umask
        folder.mkdir(mode=0o700, parents=True)
        (folder / "cgroup.procs").touch()
    mine.parent.chmod(0o700)
    group = cgroups._create(tmp_path, version, Path("/data/run/server-7"), 5_000, os.geteuid())
    assert {folder.stat().st_mode & 0o777 for folder in (mine.parent, mine, group.folder)} == {
        0o755
    }


def test_each_run_folder_has_a_distinct_group_name(tmp_path: Path):
    runs = ("/a/run", "/b/run", "/a:run", f"/{'a' * 250}/run")
    names = {cgroups._name(Path(run)) for run in runs}
    assert len(names) == len(runs)
    assert all(name.startswith("bindery") and len(name) < 256 for name in names)


def test_groups_of_a_deleted_folder_are_removed(tmp_path: Path):
    gone, there = tmp_path / "gone/run", tmp_path / "there/run"
    there.mkdir(parents=True)
    for run in (gone, there):
        (tmp_path / "base" / cgroups._name(run) / "server-1" / "sandbox").mkdir(parents=True)
    cgroups._remove_gone(tmp_path / "base")
    assert os.listdir(tmp_path / "base") == [cgroups._name(there)]


def test_a_group_is_created_and_removed_without_a_trace(tmp_path: Path):
    """As root: what a machine of the checks allows."""
    if os.geteuid():
        return
    run_folder = tmp_path / "run" / "server-1"
    run_folder.mkdir(parents=True)
    group = cgroups.make(run_folder, 100_000_000, 65_533)
    assert group is not None and group.folder.is_dir()
    assert group.oom_kills() == 0
    cgroups.remove(run_folder)
    assert not group.folder.exists()
    assert not any((base / cgroups._name(run_folder.parent)).exists()
                   for base, _version in cgroups.parent_groups())  # fmt: skip
