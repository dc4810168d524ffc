"""Make a memory cgroup for each sandbox, version 1 or 2, where the machine allows it.

There the kernel counts everything that processes make it keep, mapped or not: files in memory with
or without a name, SysV segments, data in sockets and pipes, inodes. Without a group, `usage` counts
what can be seen from outside, and `seccomp` refuses the rest.

All groups of a data folder are below one that is named after its path, so that those of a deleted
folder are recognised and removed. On version 2 a keeper itself moves into a sibling group of its
sandbox: only then may it put a process there after dropping its privileges. Standard library only.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_SELF = "/proc/self"
_PORTAL = "/portal"
"""The end of the group in which systemd puts a portal to which it delegates; ours are then made
beside it (``DelegateSubgroup=``)."""
_NAMED, _MAX_PATH_LENGTH = "bindery", 200
_TCP_DIVISOR = 4
"""Version 1 does not count TCP buffers: they may hold the limit divided by this on top."""
_KEEPER, _SANDBOX = "keeper", "sandbox"


@dataclass(frozen=True)
class Group:
    """The memory cgroup of one sandbox. ``folder`` is that of its processes."""

    folder: Path
    version: int

    def join(self) -> None:
        """Move the calling process here, so that it and what it starts are counted."""
        (self.folder / "cgroup.procs").write_text("0")

    def oom_kills(self) -> int:
        """Return how often the kernel has killed a process here for lack of memory."""
        name = "memory.events" if self.version == 2 else "memory.oom_control"
        try:
            found = re.search(r"^oom_kill (\d+)$", (self.folder / name).read_text(), re.MULTILINE)
        except OSError:
            return 0
        return int(found[1]) if found else 0


def make(run_folder: Path, limit: int, uid: int) -> Group | None:
    """Make the group of a keeper's run folder, with ``limit`` bytes, for a keeper of ``uid``.

    Return None if that is not allowed here.
    """
    remove(run_folder)  # left by a keeper that was killed: its counters are not ours
    for base, version in parent_groups():
        try:
            _remove_gone(base)
            return _create(base, version, run_folder, limit, uid)
        except OSError:
            continue
    return None


def remove(run_folder: Path) -> bool:
    """Remove the group of a keeper that has ended, and their parent with the last one.

    Return whether it is gone. It stays until the kernel is done with the last process in it.
    """
    mine = [base / _name(run_folder.parent) / run_folder.name for base, _version in parent_groups()]
    for group in mine:
        _remove(group)
    return not any(group.exists() for group in mine)


def sweep(run: Path, kept: Collection[str]) -> None:
    """Remove leftover groups of keepers below ``run``, except those named in ``kept``."""
    for base, _version in parent_groups():
        with suppress(FileNotFoundError):
            for path in (base / _name(run)).iterdir():
                if path.name not in kept and path.is_dir():
                    _remove(path)


def _remove(mine: Path) -> None:
    """Remove a group unless it has processes."""
    for folder in (mine / _SANDBOX, mine / _KEEPER, mine, mine.parent):
        with suppress(OSError):
            folder.rmdir()


def parent_groups() -> list[tuple[Path, int]]:
    """Return the groups below which ours may be made, best first, with their version."""
    mounts = Path(_SELF, "mountinfo").read_text()
    return list(_parse_parent_groups(mounts, Path(_SELF, "cgroup").read_text()))


def _parse_parent_groups(mounts: str, own: str) -> Iterator[tuple[Path, int]]:
    """Yield this process's group, so that notebooks count as its own, and the topmost one."""
    groups = dict(_groups(own))
    for line in mounts.splitlines():
        before, _dash, after = line.partition(" - ")
        root, place = before.split()[3:5]
        kind, _source, options = after.split(" ", 2)
        if kind == "cgroup2" and "" in groups:
            version, group = 2, groups[""]
        elif kind == "cgroup" and "memory" in options.split(","):
            version, group = 1, groups.get("memory", "/")
        else:
            continue
        inside = os.path.relpath(group, root) if group.startswith(root) else "."
        for folder in dict.fromkeys((Path(place, inside), Path(place))):
            yield folder, version


def _groups(own: str) -> Iterator[tuple[str, str]]:
    """Yield each controller of version 1 with its group, and "" with that of version 2."""
    for line in own.splitlines():
        _number, controllers, path = line.split(":", 2)
        yield from ((name, path.removesuffix(_PORTAL) or "/") for name in controllers.split(","))


def _name(run: Path) -> str:
    if ":" in str(run) or len(os.fsencode(run)) > _MAX_PATH_LENGTH:
        return f"bindery-{hashlib.sha256(os.fsencode(run)).hexdigest()[:12]}"
    return f"{_NAMED}{str(run).replace('/', ':')}"


def _remove_gone(base: Path) -> None:
    """Remove the groups of folders that do not exist any more."""
    for top in base.glob(f"{_NAMED}:*"):
        if not Path(top.name.removeprefix(_NAMED).replace(":", "/")).exists():
            for mine in [each for each in top.iterdir() if each.is_dir()]:
                _remove(mine)
            with suppress(OSError):
                top.rmdir()


def _create(base: Path, version: int, run_folder: Path, limit: int, uid: int) -> Group:
    top = base / _name(run_folder.parent)
    mine = top / run_folder.name
    if version == 1:
        for folder in (top, mine):
            _make_folder(folder)
        return _set_limits(Group(mine, 1), limit, uid)
    _enable_memory_controller(base)
    for folder in (top, mine):
        _make_folder(folder)
        (folder / "cgroup.subtree_control").write_text("+memory")
    for name in (_KEEPER, _SANDBOX):
        _make_folder(mine / name)
    _hand_over(mine / "cgroup.procs", uid)
    Group(mine / _KEEPER, 2).join()
    return _set_limits(Group(mine / _SANDBOX, 2), limit, uid)


def _make_folder(folder: Path) -> None:
    """Make a group that a keeper can reach after dropping root, whatever the portal's umask is."""
    folder.mkdir(exist_ok=True)
    if os.geteuid() == 0:
        folder.chmod(0o755)


def _enable_memory_controller(base: Path) -> None:
    """Let groups of version 2 below ``base`` have memory limits.

    Raises `OSError` if it has processes itself: then it can have no such groups.
    """
    if "memory" not in (base / "cgroup.controllers").read_text().split():
        raise OSError(errno.ENOTSUP, "no memory controller")
    control = base / "cgroup.subtree_control"
    if "memory" not in control.read_text().split():
        control.write_text("+memory")


def _set_limits(group: Group, limit: int, uid: int) -> Group:
    """Set the limits, including swap, and let the keeper use the group."""
    if group.version == 2:
        (group.folder / "memory.max").write_text(str(limit))
        _write_if_exists(group.folder / "memory.swap.max", "0")
    else:
        # memsw must never be below the other limit: lower what can be lowered, then the rest.
        _write_if_exists(group.folder / "memory.limit_in_bytes", str(limit))
        _write_if_exists(group.folder / "memory.memsw.limit_in_bytes", str(limit))
        (group.folder / "memory.limit_in_bytes").write_text(str(limit))
        _write_if_exists(
            group.folder / "memory.kmem.tcp.limit_in_bytes", str(limit // _TCP_DIVISOR)
        )
    _hand_over(group.folder / "cgroup.procs", uid)
    return group


def _write_if_exists(file: Path, value: str) -> None:
    with suppress(OSError):
        if file.exists():
            file.write_text(value)


def _hand_over(file: Path, uid: int) -> None:
    if os.geteuid() == 0:
        os.chown(file, uid, uid)
