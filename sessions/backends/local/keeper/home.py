"""Prepare a project's files, one folder that stays from start to start, and the SSH key in it.

It is `home` in the project's own folder. At the first start it is filled with the repository as it
was built; when the project moves to another commit, that is merged into it
(`sessions.repofiles.merge`). The merge's record lies beside the folder, where the notebook does not
see it. Nothing is ever moved to another file system: people's volumes may be on one of their own.

`link_keys` links the person's SSH key into their notebook's ``~/.ssh``. The portal writes the key
files into a folder of the run folder, which the sandbox shows read-only: when it replaces one,
every notebook has the new one at once. ``~/.ssh`` itself stays the person's. Its content may be a
trap, since the notebook's code made it: no link is followed, and whatever is in the way is moved
aside.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sessions.repofiles import merge

from . import files
from .files import remove, sync_folder
from .jobs import ServerJob
from .status import JobFailed

_FORMER = "home-"
"""Before the portal merged files, each commit had its own folder, and there was no record."""
_SHORT = 7
_FULL = "merge.full"
_NEARLY_FULL = 20_000_000
"""Free bytes from which on JupyterLab's own files no longer surely fit."""
_MEASURE_SECONDS = 5.0
_DISK_REASONS = {
    _FULL: files.FULL,
    "merge.read-only": files.READ_ONLY,
    "merge.away": files.GONE,
}


def prepare_home(job: ServerJob) -> tuple[Path, dict[str, Any]]:
    """Return the project's files at the job's commit, and the merge's report.

    If the disk is full, files that were filled before stay as they are: the report has ``left``,
    the reason. ``room`` in the report says what takes the room on a disk that is nearly full.
    Raises `JobFailed` if it fails: then each file is either the old one or the new one.
    """
    home, record = _home(job), _record(job)
    built = os.path.join(job.environment, "home")
    try:
        _adopt_former_folder(job, home, record)
        report = merge.merge(built, str(home), str(record), job.commit, sync=False)
    except merge.MergeFailed as failed:
        if failed.code != _FULL or not record.exists():
            raise _job_failure(failed) from failed
        report = {"left": failed.code}
    return home, report if (free := files.free_bytes(home)) > _NEARLY_FULL else {
        **report,
        "room": {"free": free, "largest": files.largest_entries(home, _MEASURE_SECONDS)},
    }


def sync(job: ServerJob) -> None:
    """Sync what `prepare_home` has not waited for. Raises `OSError`."""
    merge.sync_target(str(_home(job)), str(_record(job)))


def _home(job: ServerJob) -> Path:
    return Path(job.project, "home")


def _record(job: ServerJob) -> Path:
    return Path(job.project, "record")


def _job_failure(failed: merge.MergeFailed) -> JobFailed:
    if why := _DISK_REASONS.get(failed.code):
        return JobFailed.from_disk("spawn", why)
    return JobFailed(
        "spawn.files",
        f"{failed.message} So the notebook could not start ({failed.code}). None of your files was "
        "removed. Tell the staff, and start it again when they have fixed it.",
    )


def _adopt_former_folder(job: ServerJob, home: Path, record: Path) -> None:
    """Adopt a folder from before there were merges.

    If the tree that it was filled from still exists, a merge can tell what is the person's;
    otherwise it takes everything for theirs.
    """
    remove(Path(job.project, "draft"))
    former = sorted(
        _former_folders(job), key=lambda folder: (_commit(folder) == job.commit, _age(folder))
    )
    if former and not home.exists():
        newest = former.pop()
        built = _repository_at(job, _commit(newest))
        if built and not record.exists():
            merge.merge(str(built), str(newest), str(record), _commit(newest), adopt=True)
        os.rename(newest, home)
    for other in former:  # left by an interrupted move: shown to its owner
        os.rename(other, _free_path(home / f"files-of-{_commit(other)[:_SHORT]}"))
    sync_folder(Path(job.project))


def _former_folders(job: ServerJob) -> Iterator[Path]:
    for folder in Path(job.project).glob(f"{_FORMER}*"):
        if folder.is_dir() and not folder.is_symlink():
            yield folder


def _commit(folder: Path) -> str:
    return folder.name[len(_FORMER) :]


def _age(folder: Path) -> float:
    return folder.stat().st_mtime


def _repository_at(job: ServerJob, commit: str) -> Path | None:
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
        text = files.read_own(home / ".git/HEAD").strip()
        name = text.removeprefix("ref: ")
        return text if name == text else files.read_own(home / ".git" / name).strip()
    except (OSError, ValueError):
        return ""


def _free_path(path: Path) -> Path:
    tries = (path, *(path.with_name(f"{path.name}-{number}") for number in range(2, 1000)))
    return next(each for each in tries if not os.path.lexists(each))


KEY_FOLDER = "ssh"
PRIVATE = "ssh.priv"
PUBLIC = "ssh.pub"
KNOWN_HOSTS = "known_hosts"
KEY_MOUNT = "/run/ssh"
"""Where the sandbox shows the folder; its ssh_config (see `toolbox`) names this path too."""

_OPEN_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_SSH = ".ssh"


def link_keys(home: Path) -> None:
    """Make ``.ssh/ssh.priv`` and ``.ssh/ssh.pub`` in the person's files link to the key.

    On a full disk, links that are not there yet stay away: ssh itself does not need them.
    """
    try:
        _link_all(home)
    except OSError as error:
        if error.errno not in merge.DISK_FULL_ERRNOS:
            raise


def _link_all(home: Path) -> None:
    there = _open_folder(home, None)
    try:
        folder = _ssh_folder(there)
        try:
            for name in (PRIVATE, PUBLIC):
                _link(folder, name)
        finally:
            os.close(folder)
    finally:
        os.close(there)


def _open_folder(path: str | Path, parent: int | None) -> int:
    """Open the folder itself, never a link's target, and make it writable for its owner."""
    folder = os.open(path, _OPEN_FLAGS, dir_fd=parent)
    mode = stat.S_IMODE(os.fstat(folder).st_mode)
    if mode & stat.S_IRWXU != stat.S_IRWXU:
        os.fchmod(folder, mode | stat.S_IRWXU)
    return folder


def _ssh_folder(home: int) -> int:
    try:
        return _open_folder(_SSH, home)
    except FileNotFoundError:
        pass
    except OSError:  # a link, a file or an unreadable folder
        _set_aside(home, _SSH)
    os.mkdir(_SSH, 0o700, dir_fd=home)
    return _open_folder(_SSH, home)


def _link(folder: int, name: str) -> None:
    target = f"{KEY_MOUNT}/{name}"
    try:
        if os.readlink(name, dir_fd=folder) == target:
            return
        _set_aside(folder, name)
    except FileNotFoundError:
        pass
    except OSError:  # something other than a link
        _set_aside(folder, name)
    os.symlink(target, name, dir_fd=folder)


def _set_aside(folder: int, name: str) -> None:
    there = set(os.listdir(folder))
    names = (f"{name}.{number}" for number in range(1, len(there) + 2))
    os.rename(name, next(each for each in names if each not in there),
              src_dir_fd=folder, dst_dir_fd=folder)  # fmt: skip
