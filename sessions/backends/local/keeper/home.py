"""Prepare the files of a project: one folder that stays from start to start.

It is `home` in the project's own folder. At the first start it is filled with the repository as it
was built; when the project moves to another commit, that is merged into it
(`sessions.repofiles.merge`). The merge's record lies beside the folder, where the notebook does not
see it. Nothing is ever moved to another file system: people's volumes may be on one of their own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sessions.repofiles import merge

from . import disks
from .files import remove, sync_folder
from .jobs import ServerJob
from .status import Ended

_FORMER = "home-"
"""Before there were merges, each commit had a folder named after it, and there was no record."""
_SHORT = 7
_DISK = {
    "merge.full": disks.FULL,
    "merge.read-only": disks.READ_ONLY,
    "merge.away": disks.GONE,
}


def settle(job: ServerJob) -> tuple[Path, dict[str, Any]]:
    """Return the project's files at the job's commit, and the merge's report.

    Raises `Ended` if that fails: then each file is either the old one or the new one.
    """
    home, record = _home(job), _record(job)
    built = os.path.join(job.environment, "home")
    try:
        _take_over(job, home, record)
        return home, merge.merge(built, str(home), str(record), job.commit, sync=False)
    except merge.Failed as failed:
        raise _ended(failed) from failed


def sync(job: ServerJob) -> None:
    """Sync what `settle` has not waited for. Raises `OSError`."""
    merge.synced(str(_home(job)), str(_record(job)))


def _home(job: ServerJob) -> Path:
    return Path(job.project, "home")


def _record(job: ServerJob) -> Path:
    return Path(job.project, "record")


def _ended(failed: merge.Failed) -> Ended:
    if why := _DISK.get(failed.code):
        return Ended.by_disk("spawn", why)
    return Ended(
        "spawn.files",
        f"{failed.message} So the notebook could not start ({failed.code}). Nothing of yours was "
        "removed. Tell the staff, and start it again when they have mended it.",
    )


def _take_over(job: ServerJob, home: Path, record: Path) -> None:
    """Adopt a folder from before there were merges.

    If the tree that it was filled from still exists, a merge can tell what is the person's;
    otherwise it takes everything for theirs.
    """
    remove(Path(job.project, "draft"))
    former = sorted(_former(job), key=lambda folder: (_commit(folder) == job.commit, _age(folder)))
    if former and not home.exists():
        newest = former.pop()
        built = _built(job, _commit(newest))
        if built and not record.exists():
            merge.merge(str(built), str(newest), str(record), _commit(newest), adopt=True)
        os.rename(newest, home)
    for other in former:  # of a move that was interrupted: it is shown to its person
        os.rename(other, _free(home / f"files-of-{_commit(other)[:_SHORT]}"))
    sync_folder(Path(job.project))


def _former(job: ServerJob) -> Iterator[Path]:
    for folder in Path(job.project).glob(f"{_FORMER}*"):
        if folder.is_dir() and not folder.is_symlink():
            yield folder


def _commit(folder: Path) -> str:
    return folder.name[len(_FORMER) :]


def _age(folder: Path) -> float:
    return folder.stat().st_mtime


def _built(job: ServerJob, commit: str) -> Path | None:
    """Return the repository at a commit as it was built, if it exists and we may read it."""
    if commit == job.commit:
        return Path(job.environment, "home")
    for found in Path(job.environment).parent.glob(f"[!.]*{commit[:12]}*"):
        home = found / "home"
        if os.access(home, os.R_OK | os.X_OK) and _head(home) == commit:
            return home
    return None


def _head(home: Path) -> str:
    """Return the commit of a repository as it was built; "" if unknown."""
    try:
        text = (home / ".git/HEAD").read_text().strip()
        name = text.removeprefix("ref: ")
        return text if name == text else (home / ".git" / name).read_text().strip()
    except (OSError, ValueError):
        return ""


def _free(path: Path) -> Path:
    tries = (path, *(path.with_name(f"{path.name}-{number}") for number in range(2, 1000)))
    return next(each for each in tries if not os.path.lexists(each))
