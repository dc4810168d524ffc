"""Starting, finding and telling keepers, from the portal's side."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from sessions.errors import InternalError

from . import forking, going, people
from .folders import parsed
from .keeper import cgroups, disks, jobs, lock, status

_SECONDS = 30

CANCEL = "cancel"
REMOVE = "remove"


def start(
    folder: Path, uid: int, job: jobs.BuildJob | jobs.ServerJob, key: jobs.Key | None = None
) -> None:
    """Have a keeper do the job, unless one is at it already. The lock is taken on return.

    ``key`` is handed over without a file, a word or a variable that others could read.
    """
    if alive(folder):
        return
    people.folder(folder, uid, 0o700)
    people.folder(folder / "io", uid, 0o700)
    jobs.write(folder, job, uid if os.geteuid() == 0 else None)
    secret = jobs.sent(key)
    code, said = forking.ask(folder, uid, secret) or _run(folder, uid, secret)
    if code:
        raise InternalError("local.keeper", f"The keeper did not start: {said[-500:]}")


def _run(folder: Path, uid: int, secret: str) -> tuple[int, str]:
    words = forking.python("main", str(folder), str(uid))
    done = subprocess.run(words, input=secret, capture_output=True, text=True, timeout=_SECONDS)
    return done.returncode, done.stderr


def say_built(folder: Path, uid: int, pack: str) -> None:
    """Write the status of a build whose environment is there, and of whose keeper nothing is."""
    people.folder(folder, uid, 0o700)
    status.write(folder, status.Status(state=status.ENDED, pack=pack))


def alive(folder: Path) -> bool:
    """Whether a keeper works there."""
    return lock.held(folder / "lock")


def tell(folder: Path, wish: str) -> None:
    """Have the keeper end; the file ``wish`` tells one that takes no signals yet."""
    with suppress(FileNotFoundError):
        _note(folder / wish)
        _signal(status.read(folder), signal.SIGTERM)


def end(folder: Path, wish: str) -> None:
    """End the keeper at once, whatever it does; its sandbox ends with it. ``wish`` as in `tell`."""
    with suppress(FileNotFoundError):
        _note(folder / wish)
        _signal(status.read(folder), signal.SIGKILL)


def _note(wish: Path) -> None:
    """On a disk that takes nothing the signal alone has to do; it is sent again with the wish."""
    try:
        wish.touch()
    except OSError as error:
        if error.errno not in disks.NOT_NOW:
            raise


def all_of(run: Path, kind: str) -> Iterator[tuple[int, Path]]:
    """Number and folder of each keeper of a kind; what was to end and has is removed now."""
    for entry in sorted(os.listdir(run) if run.exists() else []):
        found = parsed(entry)
        if not found or found[0] != kind:
            continue
        folder = run / entry
        if alive(folder):
            yield found[1], folder
        elif (folder / REMOVE).exists():
            with suppress(OSError):  # the disk refuses: the next look does it
                going.drop(folder)
                cgroups.remove(folder)
        elif not _begins(folder):
            yield found[1], folder


def living(run: Path) -> Iterator[str]:
    """Yield the names of the folders in which a keeper works."""
    for name in os.listdir(run) if run.exists() else []:
        if parsed(name) and alive(run / name):
            yield name


def _begins(folder: Path) -> bool:
    """Whether the keeper is on its way: without a lock yet, but not given up either."""
    try:
        young = time.time() - folder.stat().st_mtime < 2 * _SECONDS
    except FileNotFoundError:
        return True
    return young and not (folder / status.FILE).exists()


def _signal(found: status.Status, number: signal.Signals) -> None:
    """A signal for the very process that wrote the status, never for one with the same id."""
    try:
        process = os.pidfd_open(found.pid)
    except (OSError, ValueError):
        return
    try:
        if found.pid and status.started(found.pid) == found.started:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(process, number)
    finally:
        os.close(process)
