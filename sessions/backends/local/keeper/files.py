"""Handle file trees that untrusted code made, full disks, and folders that are not synced yet.

No link is followed. System programs do the deep work: names and depths chosen by others exceed what
Python's own functions can take. They end with the keeper: the next one works in the same folder.

A full, read-only or missing disk costs nobody their data: a file is written whole or stays as it
was. `error_reason` and `failure_message` turn the system's error into what people are told.

Waiting for the disk would make each build seconds longer, so a finished folder of many files is
used before all of them are synced. Until then it has a mark that names the current boot: if the
machine restarts meanwhile, a power cut may have lost part of it, and it counts as not finished.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import os
import stat
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from sessions.repofiles.merge import DISK_FULL_ERRNOS, DISK_UNREACHABLE_ERRNOS

_DIE_WITH_KEEPER = ("setpriv", "--pdeathsig", "KILL")


def remove(folder: Path) -> None:
    """Remove the folder and everything in it, even where a build took away the right to do so.

    Does nothing if it does not exist. Raises `subprocess.CalledProcessError` if that fails.
    """
    if not os.path.lexists(folder):
        return
    if _run("rm", "-rf", "--", folder).returncode:
        _run("chmod", "-R", "u+rwX", "--", folder)
        _run("rm", "-rf", "--", folder).check_returncode()


def make_readable(folder: Path) -> None:
    """Let everybody read the tree: other people's notebooks run under other uids.

    Files of root in it are readable already (`linker`). Raises `subprocess.CalledProcessError` if
    that fails.
    """
    folders = ("-type", "d", "!", "-perm", "-755", "-exec", "chmod", "u+rwx,go+rx", "{}", ";")
    own = ("-type", "f", "-user", str(os.geteuid()), "-exec", "chmod", "u+rwX,go+rX", "{}", "+")
    _run("find", folder, "(", *folders, ")", ",", "(", *own, ")").check_returncode()


def _run(*words: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*_DIE_WITH_KEEPER, *words], capture_output=True)


async def copy(source: Path, target: Path) -> None:
    """Copy the tree as it is; shares the data if the file system can.

    Copying stops when this is cancelled. Raises `OSError`, with the disk's own error if that is the
    reason.
    """
    words = ("cp", "-dRT", "--preserve=mode,timestamps,links", "--reflink=auto")
    copying = await asyncio.create_subprocess_exec(
        *_DIE_WITH_KEEPER, *words, "--", source, target,
        stderr=subprocess.PIPE, env={**os.environ, "LC_ALL": "C"},
    )  # fmt: skip
    try:
        said = (await copying.communicate())[1].decode(errors="replace")
    finally:
        if copying.returncode is None:
            copying.kill()
            await copying.wait()
    if copying.returncode:
        raise OSError(errno_in(said), said[-500:])


def rename_unless_exists(draft: Path, target: Path) -> None:
    """Rename the folder ``draft`` to ``target``; if another process was faster, its folder stays.

    Both are on one file system. Raises `OSError`.
    """
    try:
        os.rename(draft, target)
    except OSError:
        if not target.exists():
            raise
        remove(draft)
    sync_folder(target.parent)


def write_atomically(
    path: Path,
    text: str,
    mode: int = 0o644,
    owner: int | None = None,
    draft_folder: Path | None = None,
) -> None:
    """Replace a file's content atomically.

    Readers see the old or the new content, even after a power cut. ``owner`` becomes the file's
    owner; the draft is written to ``draft_folder``, by default the same folder. Raises `OSError`:
    then the old file stays.
    """
    draft = (draft_folder or path.parent) / f".{path.name}-{os.urandom(8).hex()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        with open(os.open(draft, flags, 0o600), "w") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), mode)
            if owner is not None:
                os.fchown(file.fileno(), owner, owner)
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


MAX_OWN_BYTES = 10_000_000
"""Far more than any file holds in which a keeper and the portal tell each other something."""
_OPEN_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


def open_own(path: Path) -> BinaryIO:
    """Open a file of a keeper's or the portal's own, in whose place there may be anything by now.

    Never waits, as for a pipe. Raises `ValueError` for what is not a file, and `OSError`.
    """
    try:
        descriptor = os.open(path, _OPEN_FLAGS)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENXIO}:  # a link, or a socket
            raise ValueError(f"{path.name} is not a file") from error
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise ValueError(f"{path.name} is not a file")
    return open(descriptor, "rb")


def read_own(path: Path) -> str:
    """Return the text of such a file. Raises `ValueError` if it is too large, and as `open_own`."""
    with open_own(path) as file:
        content = file.read(MAX_OWN_BYTES + 1)
    if len(content) > MAX_OWN_BYTES:
        raise ValueError(f"{path.name} is too large")
    return content.decode()


def sync_folder(folder: Path) -> None:
    """Sync a folder's entries. Raises `OSError`."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


RETRYABLE_ERRNOS = DISK_FULL_ERRNOS | DISK_UNREACHABLE_ERRNOS | {errno.EROFS}
"""Errors after which writing is retried later, in case someone has fixed the disk."""

FULL, READ_ONLY, GONE = "out-of-space", "disk-read-only", "disk-away"
_REASON_TEXTS = {
    FULL: "The portal's disk is full",
    READ_ONLY: "The portal's disk is read-only right now",
    GONE: "The portal's disk does not answer",
}
_CONSEQUENCE_TEXTS = {
    "build": "so the build was stopped and its output removed",
    "spawn": "so the notebook could not start. Your files are safe",
}


def error_reason(number: int | None) -> str:
    """Return what is wrong with a disk that gave this error; "" if the disk is not the reason."""
    if number in DISK_FULL_ERRNOS:
        return FULL
    if number == errno.EROFS:
        return READ_ONLY
    return GONE if number in DISK_UNREACHABLE_ERRNOS else ""


def failure_message(kind: str, why: str) -> str:
    """Return the message for a ``build`` or a ``spawn`` that ends for this reason."""
    mended = "made room" if why == FULL else "fixed it"
    problem = f"{_REASON_TEXTS[why]}, {_CONSEQUENCE_TEXTS[kind]}."
    return f"{problem} The staff have been notified; try again when they have {mended}."


def free_bytes(folder: Path) -> int:
    """Return the bytes that are free on the folder's disk. Raises `OSError`."""
    there = os.statvfs(folder)
    return there.f_bavail * there.f_frsize


def largest_entries(folder: Path, seconds: float, count: int = 5) -> list[tuple[str, int]]:
    """Return name and bytes of a folder's ``count`` largest entries, the largest first.

    Return none if that takes more than ``seconds``.
    """
    words = ("du", "--all", "--max-depth=1", "--one-file-system", "--block-size=1", "--null", ".")
    try:
        done = subprocess.run(words, cwd=folder, capture_output=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return []
    rows = (row.partition(b"\t") for row in done.stdout.split(b"\0") if row)
    sizes = [(os.fsdecode(name)[2:], int(size)) for size, _tab, name in rows if name != b"."]
    return sorted(sizes, key=lambda each: -each[1])[:count]


def errno_in(text: str) -> int:
    """Return the error number that a system program complains of; EIO if none is known."""
    numbers = (number for number in sorted(RETRYABLE_ERRNOS) if os.strerror(number) in text)
    return next(numbers, errno.EIO)


RESULT = "result.json"
"""The file that describes a finished environment; written before that gets its name."""
UNSYNCED_MARK = ".unsynced"
UNCOMPILED_MARK = ".uncompiled"
"""The file in a finished environment whose packages `compiling` has not compiled yet."""


def mark_unsynced(folder: Path) -> None:
    """Note in a folder that it is not synced yet. Raises `OSError`."""
    (folder / UNSYNCED_MARK).write_text(_boot_id())


def may_be_incomplete(folder: Path) -> bool:
    """Return whether the machine restarted before the folder was synced."""
    try:
        return (folder / UNSYNCED_MARK).read_text() != _boot_id()
    except FileNotFoundError:
        return False


def is_whole(folder: Path) -> bool:
    """Return whether the folder exists, with everything that was written into it."""
    return folder.exists() and not may_be_incomplete(folder)


def sync_all(top: Path, folders: Iterable[Path]) -> None:
    """Sync folders in ``top`` and remove their marks. Raises `OSError`: then the marks stay."""
    marked = list(folders)
    if marked:
        sync(top)
    for folder in marked:
        (folder / UNSYNCED_MARK).unlink(missing_ok=True)


def sync(folder: Path) -> None:
    """Sync the whole file system of a folder. Raises `OSError`."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        os.close(descriptor)


def _boot_id() -> str:
    """Return an id of this boot of the machine; "" if the system has none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
