"""Find what a portal left on this machine besides its live notebooks.

That is processes, sockets and folders.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path

from tests import processes

KEEPER = re.compile(r"/run/(build|server)-(\d+)/lock\b")
"""The lock that a keeper holds."""


def on_disk(data: Path, live: Collection[int]) -> Iterator[str]:
    """Yield run folders (with sockets and keys) of ended runs, and anything half made."""
    wanted = {f"server-{session}" for session in live}
    there = {path.name for path in (data / "run").glob("*")}
    for name in sorted(there ^ wanted):
        yield f"run/{name} is {'left over' if name in there else 'missing'}"
    for pattern in ("environments/.*", "projects/.*", "cache/.build-*"):
        for path in data.glob(pattern):
            yield f"{path.relative_to(data)} is left over"


def kept(data: Path) -> set[str]:
    """Return the names of people's volumes and projects."""
    places = [path for top in ("homes", "projects") for path in (data / top).glob("[!.]*")]
    return {str(path.relative_to(data)) for path in places}


def in_memory(data: Path, supervisor: int, live: Collection[int]) -> Iterator[str]:
    """Yield processes that use the portal's files without belonging there.

    Its own parts, and processes below the keeper of a live notebook, belong there.
    """
    for pid in processes.touching(data):
        known = any(_is_known(each, supervisor, live) for each in _line_of(pid))
        if not known and (words := processes.command(pid)):  # else it has just ended
            yield f"process {pid} is left over: {words[:200]}"


def _line_of(pid: int) -> Iterator[int]:
    """Yield the process and its ancestors."""
    while pid > 1:
        yield pid
        pid = processes.parent(pid)


def _is_known(pid: int, supervisor: int, live: Collection[int]) -> bool:
    keeper = KEEPER.search("\n".join(processes.held(pid)))
    return pid == supervisor or bool(keeper and keeper[1] == "server" and int(keeper[2]) in live)
