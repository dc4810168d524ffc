"""The files of a project: the repository as it was built, copied at the first start.

They are the person's from then on. When the project moves to another commit they are kept,
in the person's own volume, and a fresh copy is made.
"""

from __future__ import annotations

import os
from pathlib import Path

from .files import copy, remove
from .jobs import ServerJob

_PREFIX = "home-"
_SHORT = 7


def settle(job: ServerJob) -> Path:
    """The project's files at the job's commit; a copy is all there or not at all."""
    project = Path(job.project)
    home = project / f"{_PREFIX}{job.commit}"
    for other in project.glob(f"{_PREFIX}*"):
        if other != home:
            _keep(other, Path(job.volume), job.name)
    if not home.exists():
        draft = project / "draft"
        remove(draft)
        try:
            copy(Path(job.environment, "home"), draft)
        except OSError:
            remove(draft)  # half a copy would keep the disk full
            raise
        os.rename(draft, home)
    return home


def _keep(home: Path, volume: Path, name: str) -> None:
    commit = home.name.removeprefix(_PREFIX)[:_SHORT]
    plain = volume / f"{name}-{commit}"
    tries = (plain, *(Path(f"{plain}-{number}") for number in range(2, 1000)))
    os.rename(home, next(path for path in tries if not os.path.lexists(path)))
