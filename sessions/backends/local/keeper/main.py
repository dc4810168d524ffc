"""The entry point of a keeper's process, see `keeper_processes`.

Arguments are its run folder and its uid; its standard input may hold a key. The caller returns at
once, with the lock of the run folder taken or found taken; the work goes on in a separate process.
"""

from __future__ import annotations

import sys
from pathlib import Path

from . import cgroups, jobs, privileges, status


def main() -> None:
    """Run the keeper that the arguments name."""
    run_keeper(Path(sys.argv[-2]), int(sys.argv[-1]))


def run_keeper(folder: Path, uid: int) -> None:
    """Return in the caller's process at once, and in the keeper's when its work is done."""
    if status.acquire_lock(folder / "lock") is None:
        return
    secret = sys.stdin.read()
    privileges.detach(folder / "keeper.log")
    from . import work  # noqa: PLC0415  (saves the caller a tenth of a second)

    group = _make_group(folder, uid)
    privileges.drop(uid)
    work.run_job(folder, secret, group)


def _make_group(folder: Path, uid: int) -> cgroups.Group | None:
    """Make the cgroup, which needs privileges; `work` reports a job that cannot be read."""
    try:
        return cgroups.make(folder, jobs.read(folder).bounds.memory, uid)
    except (OSError, ValueError):
        return None
