"""What of a portal is on this machine beside its live notebooks: processes, sockets, folders."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from tests import processes

KEEPER = re.compile(r"/run/(build|server)-(\d+)/lock\b")
"""The lock that a keeper holds."""


def on_disk(data: Path, live: Collection[int]) -> Iterator[str]:
    """Run folders (which hold the sockets and keys) of what is over, and what is half made."""
    wanted = {f"server-{session}" for session in live}
    there = {path.name for path in (data / "run").glob("*")}
    for name in sorted(there ^ wanted):
        yield f"run/{name} is {'left over' if name in there else 'missing'}"
    for pattern in ("environments/.*", "projects/.*", "cache/.build-*"):
        for path in data.glob(pattern):
            yield f"{path.relative_to(data)} is left over"


def kept(data: Path) -> set[str]:
    """Name what is kept of people's: their volumes and their projects."""
    places = [path for top in ("homes", "projects") for path in (data / top).glob("[!.]*")]
    return {str(path.relative_to(data)) for path in places}


def in_memory(data: Path, supervisor: int, live: Collection[int]) -> Iterator[str]:
    """Processes that have something of the portal in sight, and are neither of its parts nor
    below the keeper of a live notebook."""
    for pid in processes.touching(data):
        known = any(_is_known(each, supervisor, live) for each in _line_of(pid))
        if not known and (words := processes.command(pid)):  # else it has just ended
            yield f"process {pid} is left over: {words[:200]}"


def _line_of(pid: int) -> Iterator[int]:
    """The process and all that it descends from."""
    while pid > 1:
        yield pid
        pid = processes.parent(pid)


def _is_known(pid: int, supervisor: int, live: Collection[int]) -> bool:
    keeper = KEEPER.search("\n".join(processes.held(pid)))
    return pid == supervisor or bool(keeper and keeper[1] == "server" and int(keeper[2]) in live)
